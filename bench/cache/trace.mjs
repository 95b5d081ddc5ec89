// Hit tokens on a trace of prompts seen once and a hot prefix: plain LRU, ours, the offline optimum.

import { BlockAllocator, PrefixCache } from '../../dist/kv/index.js';
import { countHits, countOptimalHits, defaultTrace, makeTrace } from '../hit-trace.mjs';
import { barChart } from '../svg-chart.mjs';

/** Counts, not times: every run gives the same. */
export function measureTrace() {
  const prompts = makeTrace(defaultTrace);
  const { blockSize, numBlocks } = defaultTrace;
  const hitsOf = (scanResistance) => {
    const allocator = new BlockAllocator({ numBlocks: numBlocks + 1, blockSize });
    return countHits(new PrefixCache({ allocator, scanResistance }), prompts);
  };
  return {
    numPrompts: prompts.length,
    lru: hitsOf(false),
    ours: hitsOf(true),
    optimum: countOptimalHits(prompts, defaultTrace),
  };
}

const percent = (part, whole) => `${((100 * part) / whole).toFixed(1)} %`;

export function printTrace({ numPrompts, lru, ours, optimum }) {
  console.log(`\nHit tokens on ${numPrompts} prompts, 90 % seen once and 10 % of a hot prefix`);
  console.log(`plain LRU: ${lru}, ${percent(lru, optimum)} of the optimum`);
  console.log(`ours: ${ours}, ${percent(ours, optimum)} of the optimum`);
  console.log(`offline optimum: ${optimum}`);
}

export function drawTrace({ lru, ours, optimum }) {
  const bar = (name, value) => ({ name, value, label: `${value} (${percent(value, optimum)})` });
  return barChart({
    title: 'Hit tokens on a trace of 90 % one-off prompts and a hot prefix',
    bars: [bar('plain LRU', lru), bar('ours', ours), bar('offline optimum', optimum)],
  });
}
