// `npm run bench:report`: from the last recorded run of each setting in bench/cpu-runs.json draws
// docs/charts/cpu-*.svg and writes the figures of docs/performance.md and README.md.
// `npm run bench -- --record` writes that file.
//
//   npm run bench:report -- RUNS FOLDER     of another file, into a folder: charts and figures.md

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drawCharts, findAttention, findSettings } from './report/charts.mjs';
import { figuresText, replaceFigures, summaryText } from './report/page.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const [runsFile = `${root}bench/cpu-runs.json`, folder] = process.argv.slice(2);
const charts = folder ? join(folder, 'charts') : `${root}docs/charts`;

const runs = JSON.parse(readFileSync(runsFile, 'utf8'));
const settings = findSettings(runs);
if (settings.length === 0) console.log('no run was recorded: npm run bench -- --record');

mkdirSync(charts, { recursive: true });
const namesOf = new Map();
for (const one of settings) {
  const drawn = drawCharts(one);
  namesOf.set(
    one,
    drawn.map(({ name }) => name),
  );
  for (const { name, svg } of drawn) {
    writeFileSync(join(charts, name), svg);
    console.log(`drawn: ${join(charts, name)}`);
  }
}

function write(path, text) {
  writeFileSync(path, text);
  console.log(`written: ${path}`);
}

const imagesOf = (one) => namesOf.get(one);
const figures = figuresText(settings, findAttention(runs), imagesOf);
if (folder) {
  write(join(folder, 'figures.md'), `${figures}\n`);
} else {
  for (const [path, text] of [
    [`${root}docs/performance.md`, figures],
    [`${root}README.md`, summaryText(settings, imagesOf)],
  ]) {
    write(path, replaceFigures(readFileSync(path, 'utf8'), text));
  }
}
