// 64 requests of mixed length with one shared prompt: KV bytes if each reserved the longest
// context, if its blocks are its own, and if equal blocks are shared. Counted, not estimated: the
// requests run at once and the pool's live blocks are read when most are in use.

import { generateConversation } from '../../tools/recall-model/generator.mjs';
import { barChart } from '../svg-chart.mjs';

const numRequests = 64;
const sharedTokens = 1000;
/** Long enough that all of them run at once. */
const maxTokens = 320;
const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** One system text for all, and user messages of 20 to about 600 tokens. */
function drawRequests() {
  const { system, turns } = generateConversation(11, {
    split: 'test',
    numTurns: numRequests,
    numFacts: 24,
    targetTokens: sharedTokens,
  });
  return turns.map(({ question }, i) => {
    const filler = generateConversation(1000 + i, {
      split: 'test',
      numTurns: 0,
      numFacts: 0,
      targetTokens: 20 + ((i * 37) % 64) * 9,
    }).system;
    return [
      { role: 'system', content: system },
      { role: 'user', content: `${filler} ${question}` },
    ];
  });
}

/** Runs all at once; gives live blocks at their peak and the tokens of every sequence then. */
async function runAll(llm, requests, saltOf) {
  const lengths = requests.map(() => 0);
  let peak = { numLive: 0, lengths };
  const generations = requests.map((messages, i) =>
    llm.chat(messages, { salt: saltOf(i), ignoreEos: true, maxTokens, temperature: 0 }),
  );
  const replies = await Promise.all(
    generations.map(async (generation, i) => {
      let numTokens = 0;
      for await (const _ of generation) {
        numTokens += 1;
        lengths[i] = numTokens;
        const { numLive } = llm.stats().cache;
        if (numLive > peak.numLive) peak = { numLive, lengths: [...lengths] };
      }
      return generation;
    }),
  );
  const outputLengths = peak.lengths;
  return {
    numLive: peak.numLive,
    contextLens: replies.map(({ usage }, i) => usage.promptTokens + outputLengths[i]),
    cachedTokens: replies.reduce((sum, { usage }) => sum + usage.cachedTokens, 0),
    promptTokens: replies.reduce((sum, { usage }) => sum + usage.promptTokens, 0),
  };
}

/** Slots of last blocks that hold no token, over all slots in use. */
function wasteOf({ numLive, contextLens }, blockSize) {
  const unused = contextLens.reduce(
    (sum, len) => sum + ((blockSize - (len % blockSize)) % blockSize),
    0,
  );
  return unused / (numLive * blockSize);
}

/**
 * @param llm loaded with `maxSeqs` at least 64 and blocks for all of them
 * @returns bytes reserved, paged and shared, and the waste in last blocks of both paged runs
 */
export async function measureMemory(llm) {
  const requests = drawRequests();
  const { kvBlockBytes, blockSize, contextLen } = llm.info;
  const paged = await runAll(llm, requests, (i) => `alone ${i}`);
  const shared = await runAll(llm, requests, () => 'together');
  return {
    numRequests,
    contextLen,
    blockSize,
    reservedBytes: numRequests * Math.ceil(contextLen / blockSize) * kvBlockBytes,
    pagedBytes: paged.numLive * kvBlockBytes,
    sharedBytes: shared.numLive * kvBlockBytes,
    pagedWaste: wasteOf(paged, blockSize),
    sharedWaste: wasteOf(shared, blockSize),
    cachedTokens: shared.cachedTokens,
    promptTokens: shared.promptTokens,
  };
}

export function printMemory(figures) {
  const { reservedBytes, pagedBytes, sharedBytes, pagedWaste, sharedWaste } = figures;
  console.log(
    `\nKV memory of ${numRequests} requests at once that share a prompt of about ${sharedTokens} tokens`,
  );
  console.log(`reserved to the context of ${figures.contextLen}: ${mib(reservedBytes)}`);
  console.log(`paged: ${mib(pagedBytes)}, waste in last blocks ${(100 * pagedWaste).toFixed(2)} %`);
  console.log(
    `paged and shared: ${mib(sharedBytes)}, waste in last blocks ${(100 * sharedWaste).toFixed(2)} %`,
  );
  console.log(`cached: ${figures.cachedTokens} of ${figures.promptTokens} prompt tokens`);
}

export function drawMemory({ reservedBytes, pagedBytes, sharedBytes, contextLen }) {
  return barChart({
    title: `KV memory of ${numRequests} requests at once with one shared prompt`,
    bars: [
      { name: `reserved to ${contextLen}`, value: reservedBytes, label: mib(reservedBytes) },
      { name: 'paged', value: pagedBytes, label: mib(pagedBytes) },
      { name: 'paged and shared', value: sharedBytes, label: mib(sharedBytes) },
    ],
  });
}
