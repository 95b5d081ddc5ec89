// `npm run bench`: the engine on the CPU, beside node-llama-cpp on the same weights and beside this
// machine's ceilings, all measured in the same run.
//
//   --quick              one round of short prompts: proves that everything runs; gates mean nothing
//   --model s03,l1b      default s03
//   --threads 1,2        default 1,2
//   --isa auto,avx2      instruction sets of ours; the peer is held to AVX2 too; default auto
//   --only KIND,KIND     prefill, decode, streams, ttft, int8, int4, attention, memory, load
//   --rounds N           default 5; medians are shown
//   --no-peer
//   --record             appends to bench/cpu-runs.json, from which `npm run bench:report` draws

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { measureRows } from './cpu/measure.mjs';
import { buildProbe, measureAttention, measureCeilings } from './cpu/native.mjs';
import { findPeer } from './cpu/peer-install.mjs';
import { measureLoad, measureMemory } from './cpu/process-rows.mjs';
import { processorLine } from './cpu/processor.mjs';
import { engineRows, judgeAttention } from './cpu/rows.mjs';
import { shapes } from './cpu/shapes.mjs';
import { ceilingLine, sectionLines, tableLines } from './cpu/table.mjs';
import { machineLine } from './machine.mjs';

const runsFile = new URL('cpu-runs.json', import.meta.url);
const kinds = 'prefill decode streams ttft int8 int4 attention memory load'.split(' ');

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    model: { type: 'string', default: 's03' },
    threads: { type: 'string', default: '1,2' },
    isa: { type: 'string', default: 'auto' },
    only: { type: 'string', default: kinds.join(',') },
    rounds: { type: 'string' },
    'no-peer': { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
  },
});

const options = {
  isQuick: values.quick,
  hasPeer: !values['no-peer'],
  numRounds: Number(values.rounds ?? (values.quick ? 1 : 5)),
  models: listOf('model', Object.keys(shapes)),
  isas: listOf('isa', ['auto', 'portable', 'avx2', 'avx512', 'avx512bf16']),
  threads: values.threads.split(',').map(Number),
  only: listOf('only', kinds),
};

if (values.record && values.quick) throw new Error('--record: a quick run shows nothing to keep');

function listOf(name, known) {
  const list = values[name].split(',');
  const strange = list.find((item) => !known.includes(item));
  if (strange !== undefined)
    throw new Error(`--${name}: ${strange} is none of ${known.join(', ')}`);
  return list;
}

const print = (lines) => console.log(lines.join('\n'));

/** Everything about one model, number of threads and instruction set; prints as it goes. */
async function measureSetting(setting) {
  const { model, threads, isa } = setting;
  const count = `${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  console.log(`\n== ${model}, ${count}, ${isa}`);
  const result = { ...setting, sections: [], processRows: [] };
  for (const weights of ['bf16', 'int8', 'int4']) {
    const rows = engineRows(options.isQuick).filter(
      (row) => row.weights === weights && options.only.includes(row.group),
    );
    if (rows.length === 0) continue;
    const section = await measureRows(setting, { ...options, rows });
    result.sections.push(section);
    print(sectionLines(section));
  }
  if (options.only.includes('memory')) {
    result.processRows.push(await measureMemory(setting, options));
  }
  if (options.only.includes('load')) result.processRows.push(await measureLoad(setting, options));
  if (result.processRows.length > 0) print(tableLines(result.processRows));
  return result;
}

/** Attention alone: no model in it, so once per number of threads and instruction set. */
function measureAttentionAlone(threads, isa) {
  console.log(`\n== attention alone, one layer, ${threads} threads, ${isa}`);
  const ceilings = measureCeilings({ isa, threads });
  const measured = measureAttention({ ...options, isa, threads });
  const rows = judgeAttention(measured, ceilings);
  print([ceilingLine(ceilings), ...tableLines(rows)]);
  return { threads, isa, ceilings, measured, rows };
}

function gitCommit() {
  return spawnSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).stdout.trim();
}

async function measureAll() {
  const run = {
    date: new Date().toISOString(),
    machine: machineLine(),
    processor: processorLine(),
    commit: gitCommit(),
    peer: options.hasPeer ? findPeer('auto').name : undefined,
    command: `npm run bench -- ${process.argv.slice(2).join(' ')}`,
    loadAtStart: loadavg()[0],
    settings: [],
    attention: [],
  };
  print([
    run.machine,
    run.processor ?? '',
    `peer: ${run.peer ?? 'none'}; load of the machine ${run.loadAtStart}`,
  ]);
  if (options.isQuick) console.log('quick: prompts are cut and rounds are few; gates mean nothing');
  buildProbe();
  const needsModel = options.only.some((kind) => kind !== 'attention');
  for (const isa of options.isas) {
    for (const threads of options.threads) {
      if (options.only.includes('attention')) {
        run.attention.push(measureAttentionAlone(threads, isa));
      }
      for (const model of needsModel ? options.models : []) {
        run.settings.push(await measureSetting({ model, threads, isa }));
      }
    }
  }
  run.loadAtEnd = loadavg()[0];
  console.log(
    `\nload of the machine at the end ${run.loadAtEnd}; the event loop: npm run bench:event-loop`,
  );
  return run;
}

const run = await measureAll();
if (values.record) {
  const runs = [...JSON.parse(readFileSync(runsFile, 'utf8')), run];
  writeFileSync(runsFile, `${JSON.stringify(runs, null, 1)}\n`);
}
