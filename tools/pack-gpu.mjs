// `npm run pack:gpu`: one archive of at most 60 MiB that tests and measures this package on a Linux x64
// machine with an NVIDIA driver but neither Node nor a network. Holds Node, the compiled library and
// tests, the addon, the kernels, the benchmark and its peers, the recall model and what they need from
// npm.
//
//   node tools/pack-gpu.mjs [--as-built | --rehearsal | --arch sm_90a --cuda 13 …]
//
// The arguments go to tools/build-payloads.mjs; without any, it builds what a release has. --as-built
// takes the payloads that stand in prebuilds/; --rehearsal too, and does without any: the emulated driver
// brings its own.
//
// Writes build/paged-attention-gpu.tar.gz; there: tar xzf it, ./paged-attention-gpu/run-all.

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { payloadFolder } from './cuda/compile-image.mjs';
import { readPayload } from './cuda/payload-status.mjs';
import { root } from './cuda/sources.mjs';
import { cudaMajors } from './cuda/toolkit.mjs';
import { copyTests } from './gpu-bundle/compiled-tests.mjs';
import { copyPackages } from './gpu-bundle/copy-packages.mjs';
import { prepareNode } from './gpu-bundle/node-binary.mjs';

const maxMebibytes = 60;
const maxKernelMebibytes = 14; // packed; Node, model and packages take 39
const firstArch = 'sm_90a';
const name = 'paged-attention-gpu';
const bundle = join(root, 'build', name);
const archive = `${bundle}.tar.gz`;
const addon = join(root, 'build/Release/paged_attention.node');

function fail(sentence) {
  process.stderr.write(`pack: ${sentence}\n`);
  process.exit(1);
}

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) fail(`${command} ${args.join(' ')} failed`);
}

/** Copies a file or folder of the clone to the same place in the bundle. */
function copy(path, filter = () => true) {
  cpSync(join(root, path), join(bundle, path), { recursive: true, filter });
}

/** Images that the addon will take, those for the GPU that this is first run on before the others. */
function imagesByRank() {
  const binary = readFileSync(addon);
  const images = cudaMajors.flatMap((major) => {
    const payload = readPayload(major);
    if (!payload || !binary.includes(payload.abi)) return [];
    return payload.images.map((image) => ({ major, ...image }));
  });
  const rank = ({ arch, major }) => (arch === firstArch ? 0 : 1) * 100 - major;
  return images.toSorted((a, b) => rank(a) - rank(b));
}

/** Copies as many images as there is room for, and a payload.json that names them; gives its lines. */
function copyPayloads() {
  let roomBytes = maxKernelMebibytes * 2 ** 20;
  const taken = new Map();
  for (const { major, ...image } of imagesByRank()) {
    const content = readFileSync(join(payloadFolder(root, major), image.file));
    const packedBytes = gzipSync(content).length;
    if (packedBytes > roomBytes) continue;
    roomBytes -= packedBytes;
    taken.set(major, [...(taken.get(major) ?? []), image]);
    const folder = payloadFolder(bundle, major);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, image.file), content);
  }
  return Array.from(taken, ([major, images]) => {
    const payload = { ...readPayload(major), images };
    writeFileSync(join(payloadFolder(bundle, major), 'payload.json'), JSON.stringify(payload));
    return `CUDA ${major}: ${images.map(({ arch }) => arch).join(', ')}`;
  });
}

/** gpu_bench, which brings its C++ runtime along. */
function copyBenchmark() {
  const folder = join(root, 'build/bench-gpu');
  run('cmake', ['-S', 'bench/gpu/native', '-B', folder]);
  run('cmake', ['--build', folder, '-j2']);
  const target = join(bundle, 'bin/gpu_bench');
  cpSync(join(folder, 'gpu_bench'), target);
  run('strip', [target]);
}

/** The addon that the clone was built with, without symbols, where node-gyp-build looks for it. */
function copyAddon() {
  const target = join(bundle, 'prebuilds/linux-x64/node.glibc.node');
  mkdirSync(join(target, '..'), { recursive: true });
  cpSync(addon, target);
  run('strip', [target]);
}

/** Copies everything of the clone that runs in the bundle. */
function copySources() {
  const isBuilt = (path) => !/\.(d\.[cm]?ts|map)$/.test(path);
  copy('package.json');
  copy('addon.cjs');
  copy('dist', isBuilt);
  copy('models/recall');
  copy('examples');
  for (const script of ['gpu', 'machine', 'sampling']) copy(`bench/${script}.mjs`);
  copy('bench/gpu', (path) => !/bench\/gpu\/native(\/|$)/.test(path));
  copy('bench/peers/torch', (path) => !path.includes('__pycache__'));
  copy('tools/recall-model', (path) => !path.endsWith('.py'));
  copy('tools/gpu-bundle');
  copyTests(bundle);
  copyPackages(bundle, [
    'tokenizers',
    '@huggingface/jinja',
    'node-gyp-build',
    'expect',
    'fast-check',
  ]);
  for (const script of ['run-all', 'test-gpu', 'bench-gpu', 'README.txt']) {
    cpSync(join(root, 'tools/gpu-bundle', script), join(bundle, script));
  }
}

const choice = process.argv.length > 2 ? process.argv.slice(2) : ['--release'];
const isForRehearsal = choice[0] === '--rehearsal';
if (!isForRehearsal && choice[0] !== '--as-built')
  run(process.execPath, ['tools/build-payloads.mjs', ...choice]);
rmSync(bundle, { recursive: true, force: true });
mkdirSync(join(bundle, 'bin'), { recursive: true });
cpSync(prepareNode(), join(bundle, 'bin/node'));
chmodSync(join(bundle, 'bin/node'), 0o755);
copyAddon();
copyBenchmark();
copySources();
const payloads = copyPayloads();
if (payloads.length === 0 && !isForRehearsal) {
  fail('no payload has the stamp of the addon: npm run build:addon');
}
run('tar', ['czf', archive, '-C', join(root, 'build'), name]);
const mebibytes = statSync(archive).size / 2 ** 20;
process.stdout.write(`pack: ${payloads.join('; ') || 'no kernels: for a rehearsal only'}\n`);
process.stdout.write(`pack: build/${name}.tar.gz, ${mebibytes.toFixed(1)} MiB\n`);
if (mebibytes > maxMebibytes) fail(`it must not be larger than ${maxMebibytes} MiB`);
