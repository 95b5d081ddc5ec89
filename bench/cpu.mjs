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
//   --all                every row in every setting, hours of it: bench/cpu/plan.mjs says what else runs
//   --record             appends to bench/cpu-runs.json, from which `npm run bench:report` draws
//   --record-to FILE     the same into another file: npm run bench:report -- FILE FOLDER

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { estimateSeconds } from './cpu/estimate.mjs';
import { measureRows, medianCeilings } from './cpu/measure.mjs';
import { buildProbe, measureAttention, measureCeilings } from './cpu/native.mjs';
import { OptionError, readOptions } from './cpu/options.mjs';
import { findPeer } from './cpu/peer-install.mjs';
import { plannedProcessRows, plannedRows, weightsOf } from './cpu/plan.mjs';
import { measureLoad, measureMemory } from './cpu/process-rows.mjs';
import { processorLine } from './cpu/processor.mjs';
import { judgeAttention } from './cpu/rows.mjs';
import { ceilingLine, sectionLines, tableLines } from './cpu/table.mjs';
import { machineLine } from './machine.mjs';

/** The options; a bad one ends the process with its one line. */
function optionsOrExit() {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    console.error(`bench: ${error.message}`);
    process.exit(1);
  }
}

const options = optionsOrExit();

const print = (lines) => console.log(lines.join('\n'));

/** Everything about one model, number of threads and instruction set; prints as it goes. */
async function measureSetting(setting) {
  const { model, threads, isa } = setting;
  const count = `${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  console.log(`\n== ${model}, ${count}, ${isa}`);
  const result = { ...setting, sections: [], processRows: [] };
  const planned = plannedRows(setting, options);
  for (const weights of weightsOf(planned)) {
    const rows = planned.filter((row) => row.weights === weights);
    const section = await measureRows(setting, { ...options, rows });
    result.sections.push(section);
    print(sectionLines(section));
  }
  for (const kind of plannedProcessRows(setting, options)) {
    const measure = kind === 'memory' ? measureMemory : measureLoad;
    result.processRows.push(await measure(setting, options));
  }
  if (result.processRows.length > 0) print(tableLines(result.processRows));
  return result;
}

/** Attention alone: no model in it, so once per number of threads and instruction set. */
function measureAttentionAlone(threads, isa) {
  console.log(`\n== attention alone, one layer, ${threads} threads, ${isa}`);
  const someCeilings = () => [1, 2, 3].map(() => measureCeilings({ isa, threads }));
  const before = someCeilings();
  const measured = measureAttention({ ...options, isa, threads });
  const ceilings = medianCeilings([...before, ...someCeilings()]);
  const rows = judgeAttention(measured, ceilings);
  print([ceilingLine(ceilings), ...tableLines(rows)]);
  return { threads, isa, ceilings, measured, rows };
}

function gitCommit() {
  return spawnSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).stdout.trim();
}

/** Settings that have something to measure, in the order in which they run. */
function plannedSettings() {
  const all = options.isas.flatMap((isa) =>
    options.threads.flatMap((threads) => options.models.map((model) => ({ model, threads, isa }))),
  );
  const isPlanned = (setting) =>
    plannedRows(setting, options).length + plannedProcessRows(setting, options).length > 0;
  return all.filter(isPlanned);
}

/** Says how long this will take, after a look at what the machine can do now. */
function printEstimate(settings) {
  const seconds = settings.map((setting) =>
    estimateSeconds(
      setting.model,
      plannedRows(setting, options),
      measureCeilings(setting),
      options,
    ),
  );
  const minutes = Math.ceil(seconds.reduce((sum, value) => sum + value, 0) / 60);
  console.log(`about ${minutes} min for ${settings.length} settings`);
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
  const settings = plannedSettings();
  printEstimate(settings);
  if (options.only.includes('attention')) {
    for (const isa of options.isas) {
      for (const threads of options.threads) {
        run.attention.push(measureAttentionAlone(threads, isa));
      }
    }
  }
  for (const setting of settings) run.settings.push(await measureSetting(setting));
  run.loadAtEnd = loadavg()[0];
  console.log(
    `\nload of the machine at the end ${run.loadAtEnd}; the event loop: npm run bench:event-loop`,
  );
  return run;
}

const run = await measureAll();
if (options.recordTo !== undefined) {
  const runs = existsSync(options.recordTo)
    ? JSON.parse(readFileSync(options.recordTo, 'utf8'))
    : [];
  writeFileSync(options.recordTo, `${JSON.stringify([...runs, run], null, 1)}\n`);
}
