// `npm run pack:local [-- --release] [--to FOLDER]`: makes every tarball that would be published, in
// build/tarballs/ or the folder named, and prints sizes, checksums and the line that installs them. --release
// compiles the kernels for every architecture of a release first, and fails where one is missing; otherwise the
// payloads that are there are packed.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../cuda/sources.mjs';
import { cudaMajors } from '../cuda/toolkit.mjs';
import { writeCudaPackage } from './cuda-package.mjs';

const { values: options } = parseArgs({
  options: {
    release: { type: 'boolean', default: false },
    to: { type: 'string', default: join(root, 'build/tarballs') },
  },
});
const folder = resolve(options.to);

function run(command, args, cwd = root) {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** Packs one package folder; the tarball's name is npm's. */
function pack(packageFolder) {
  const args = ['pack', '--json', '--pack-destination', folder];
  const { status, stdout, stderr } = spawnSync('npm', args, {
    cwd: packageFolder,
    encoding: 'utf8',
  });
  if (status !== 0) {
    process.stderr.write(`${stdout}${stderr}`);
    process.exit(1);
  }
  const [{ filename, size, unpackedSize }] = JSON.parse(stdout);
  const file = filename.replace('@', '').replace('/', '-');
  const bytes = readFileSync(join(folder, file));
  return { file, size, unpackedSize, sha256: createHash('sha256').update(bytes).digest('hex') };
}

const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

run(process.execPath, ['tools/setup.mjs']);
run(process.execPath, ['tools/prebuilds/build.mjs']);
if (options.release) run(process.execPath, ['tools/build-payloads.mjs', '--release']);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

const packed = [pack(root)];
for (const major of cudaMajors) {
  const packageFolder = join(root, 'build/packages', `cuda-${major}`);
  if (writeCudaPackage(major, packageFolder)) {
    packed.push(pack(packageFolder));
    continue;
  }
  console.log(`no CUDA ${major} kernels of these sources: npm run build:payloads makes them`);
  if (options.release) process.exit(1);
}
writeFileSync(
  join(folder, 'SHA256SUMS'),
  packed.map(({ sha256, file }) => `${sha256}  ${file}\n`).join(''),
);
for (const { file, size, unpackedSize } of packed) {
  console.log(`${file}: ${mebibytes(size)}, ${mebibytes(unpackedSize)} unpacked`);
}
const [core, ...kernels] = packed.map(({ file }) => join(folder, file));
console.log(`\nnpm i ${core}`);
for (const tarball of kernels) console.log(`npm i ${core} ${tarball}   # with an NVIDIA GPU`);
