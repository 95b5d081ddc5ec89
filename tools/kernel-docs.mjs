// docs/kernels.md, from the kernels' comments and the compiler's report:
//
//   node tools/kernel-docs.mjs --write    after npm run build:payloads
//   node tools/kernel-docs.mjs --check    fails when the page is out of date, or a kernel faulty
//
// Where today's sources were not compiled by the compiler that the page names, --check compares
// everything but the figures.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { listKernels } from './cuda/kernel-list.mjs';
import {
  commentFaults,
  renderPage,
  shownArchs,
  shownMajor,
  withoutFigures,
} from './cuda/kernel-page.mjs';
import { faultsOf, gatherRecord } from './cuda/kernel-record.mjs';
import { abiStamp, root } from './cuda/sources.mjs';

const pagePath = join(root, 'docs/kernels.md');

function fail(sentence) {
  process.stderr.write(`kernel docs: ${sentence}\n`);
  process.exit(1);
}

/** What compilers said about today's sources, if that is everything the page shows. */
function findRecord(kernels) {
  const record = gatherRecord(abiStamp());
  const isWhole = kernels.every(({ name }) =>
    shownArchs.every((arch) => record.kernels[name]?.[shownMajor]?.[arch]),
  );
  return isWhole ? record : undefined;
}

function write(kernels, record) {
  if (!record) fail('cuda/ has not been compiled as it stands: npm run build:payloads');
  writeFileSync(pagePath, renderPage(kernels, record));
}

function check(kernels, record) {
  const page = existsSync(pagePath) ? readFileSync(pagePath, 'utf8') : '';
  const compiler = record?.compilers[shownMajor];
  const isExact = record !== undefined && page.includes(`those of ${compiler}.`);
  const rendered = renderPage(kernels, record);
  const isUpToDate = isExact
    ? page === rendered
    : withoutFigures(page) === withoutFigures(rendered);
  if (!isUpToDate) fail('docs/kernels.md is out of date: node tools/kernel-docs.mjs --write');
  const faults = [...commentFaults(kernels), ...(record ? faultsOf(record) : [])];
  if (faults.length > 0) fail(faults.join('\n'));
  const compared = isExact ? `figures of ${compiler} included` : 'figures not compared';
  process.stdout.write(`kernel docs: up to date, ${kernels.length} kernels, ${compared}\n`);
}

const { values } = parseArgs({
  options: { write: { type: 'boolean' }, check: { type: 'boolean' } },
});
const kernels = listKernels();
const record = findRecord(kernels);
if (values.write) write(kernels, record);
else check(kernels, record);
