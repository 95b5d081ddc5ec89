// `npm run build:payloads`: compiles all kernels of cuda/ into the payload folders
// prebuilds/linux-x64/cuda-{13,12}/, one image per architecture, for each CUDA major version whose
// compiler can be had (tools/cuda-toolkit), each only when its inputs changed.
//
//   node tools/build-payloads.mjs [--release] [--arch sm_80,sm_90a,compute_120] [--cuda 13]
//
// --release builds every architecture of a release; the default is what CI builds.

import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { compileCommand, compileImage, kindOf, payloadFolder } from './cuda/compile-image.mjs';
import { faultsOf, gatherRecord, reportFolder, writeRecord } from './cuda/kernel-record.mjs';
import { readPtxasReport } from './cuda/ptxas-report.mjs';
import { abiStamp, deviceFiles, root, translationUnit } from './cuda/sources.mjs';
import { findToolkits } from './cuda/toolkit.mjs';

const ciArchs = ['sm_80', 'sm_90a'];
const releaseArchs = ['sm_80', 'sm_86', 'sm_89', 'sm_90a', 'sm_100', 'sm_120', 'compute_120'];
const numJobs = 2;
const deviceFolder = join(reportFolder, 'source');
const unit = join(reportFolder, 'all_kernels.cu');

const { values: options } = parseArgs({
  options: {
    release: { type: 'boolean', default: false },
    arch: { type: 'string' },
    cuda: { type: 'string' },
  },
});
const archs = options.arch?.split(',') ?? (options.release ? releaseArchs : ciArchs);

function say(sentence) {
  process.stdout.write(`payloads: ${sentence}\n`);
}

/**
 * Copies the sources aside, so that what is compiled is what the stamp says, also while someone
 * edits them.
 *
 * @returns their stamp
 */
function copySources() {
  rmSync(deviceFolder, { recursive: true, force: true });
  mkdirSync(deviceFolder, { recursive: true });
  for (const name of deviceFiles())
    copyFileSync(join(root, 'cuda', name), join(deviceFolder, name));
  return abiStamp(deviceFolder);
}

/** What one image is made of and where it goes. */
function planImage(toolkit, arch, abi) {
  const file = `${arch}.${kindOf(arch)}`;
  const image = join(payloadFolder(root, toolkit.major), file);
  const job = { arch, file, unit, image, deviceFolder };
  const report = join(reportFolder, `${toolkit.major}/${arch}.json`);
  const hash = createHash('sha256').update(abi).update(toolkit.version);
  const digest = hash.update(compileCommand(toolkit, job).join('\0')).digest('hex');
  return { ...job, abi, report, digest };
}

/** Whether an image of exactly these inputs stands in the payload folder. */
function isUpToDate({ image, report, digest }) {
  if (!existsSync(image) || !existsSync(report)) return false;
  return JSON.parse(readFileSync(report, 'utf8')).digest === digest;
}

/** Compiles one image and writes its report; gives whether it worked. */
async function buildImage(toolkit, plan) {
  rmSync(plan.report, { force: true });
  const { status, output, seconds } = await compileImage(toolkit, plan);
  const name = `CUDA ${toolkit.major} ${plan.arch}`;
  if (status !== 0) {
    rmSync(plan.image, { force: true });
    process.stderr.write(`${output}\n`);
    say(`${name}: FAILED after ${seconds.toFixed(1)} s`);
    return false;
  }
  const kernels = readPtxasReport(output);
  const compiler = `${toolkit.kind} ${toolkit.version}`;
  const { arch, abi, digest } = plan;
  mkdirSync(dirname(plan.report), { recursive: true });
  const report = { arch, abi, compiler, digest, seconds, kernels };
  writeFileSync(plan.report, JSON.stringify(report, null, 1));
  const size = (readFileSync(plan.image).length / 2 ** 20).toFixed(2);
  say(`${name}: ${kernels.length} kernels, ${size} MiB in ${seconds.toFixed(1)} s`);
  return true;
}

/**
 * Writes payload.json over the asked-for images and those of other architectures that are still up
 * to date; removes the rest.
 */
function writePayload(toolkit, abi) {
  const folder = payloadFolder(root, toolkit.major);
  mkdirSync(folder, { recursive: true });
  const images = [];
  for (const file of readdirSync(folder).toSorted()) {
    const arch = file.replace(/\.(cubin|ptx)$/, '');
    if (arch === file) continue;
    if (isUpToDate(planImage(toolkit, arch, abi))) images.push({ file, kind: kindOf(arch), arch });
    else rmSync(join(folder, file));
  }
  if (images.length === 0) {
    rmSync(folder, { recursive: true });
    return;
  }
  const payload = {
    abi,
    cuda: toolkit.major,
    compiler: `${toolkit.kind} ${toolkit.version}`,
    images,
  };
  writeFileSync(join(folder, 'payload.json'), `${JSON.stringify(payload, null, 2)}\n`);
  say(
    `CUDA ${toolkit.major}: ${images.map(({ arch }) => arch).join(', ')} in ${relative(root, folder)}`,
  );
}

/** Runs tasks in order, `numJobs` at a time; gives their results. */
async function runAll(tasks) {
  const results = [];
  const rest = [...tasks];
  const work = async () => {
    while (rest.length > 0) results.push(await rest.shift()());
  };
  await Promise.all(Array.from({ length: numJobs }, work));
  return results;
}

/** Builds what is missing for all toolkits; gives whether everything compiled. */
async function buildPayloads(toolkits) {
  const abi = copySources();
  writeFileSync(unit, translationUnit(deviceFolder));
  const tasks = [];
  for (const toolkit of toolkits) {
    for (const plan of archs.map((arch) => planImage(toolkit, arch, abi))) {
      if (isUpToDate(plan)) say(`CUDA ${toolkit.major} ${plan.arch}: up to date`);
      else tasks.push(() => buildImage(toolkit, plan));
    }
  }
  const results = await runAll(tasks);
  for (const toolkit of toolkits) writePayload(toolkit, abi);
  const record = gatherRecord(abi);
  writeRecord(record);
  const faults = faultsOf(record);
  for (const fault of faults) say(`FAULT: ${fault}`);
  return faults.length === 0 && results.every(Boolean);
}

const started = performance.now();
const choices = findToolkits().filter(({ major }) => !options.cuda || options.cuda === `${major}`);
for (const { major, missing } of choices) {
  if (missing) say(`CUDA ${major}: not built: ${missing}`);
}
const toolkits = choices.flatMap(({ toolkit }) => toolkit ?? []);
const isBuilt = await buildPayloads(toolkits);
const majors = toolkits.map(({ major }) => major).join(' and ');
const outcome = toolkits.length > 0 ? `for CUDA ${majors}` : 'none: there are no kernels';
say(`${outcome}; ${((performance.now() - started) / 1000).toFixed(1)} s`);
process.exit(isBuilt ? 0 : 1);
