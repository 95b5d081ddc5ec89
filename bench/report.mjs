// `npm run bench:report`: draws docs/charts/cpu-*.svg from the last recorded run of each model in
// bench/cpu-runs.json, and prints its rows. `npm run bench -- --record` writes that file.

import { readFileSync, writeFileSync } from 'node:fs';
import { sectionLines, tableLines } from './cpu/table.mjs';
import { drawCeilings, drawPeer, findSettings } from './report/charts.mjs';

const runs = JSON.parse(readFileSync(new URL('cpu-runs.json', import.meta.url), 'utf8'));
const charts = new URL('../docs/charts/', import.meta.url);
const settings = findSettings(runs);
if (settings.length === 0) console.log('no run was recorded: npm run bench -- --record');

for (const { run, setting } of settings) {
  const { model, threads, isa, sections, processRows } = setting;
  console.log(`\n${model}, ${threads} threads, ${isa}: ${run.machine}, ${run.date}, ${run.commit}`);
  console.log(`${run.processor}`);
  console.log(`${run.command} (peer: ${run.peer ?? 'none'})`);
  for (const section of sections) console.log(sectionLines(section).join('\n'));
  if (processRows.length > 0) console.log(tableLines(processRows).join('\n'));
  for (const [name, svg] of [
    ['peer', drawPeer(run, setting)],
    ['ceilings', drawCeilings(run, setting)],
  ]) {
    if (svg === undefined) continue;
    const path = new URL(`cpu-${model}-${threads}-${isa}-${name}.svg`, charts);
    writeFileSync(path, svg);
    console.log(`drawn: docs/charts/${path.pathname.split('/').at(-1)}`);
  }
}
