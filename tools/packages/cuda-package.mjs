// Writes the folder of a package that holds nothing but CUDA kernels: @paged-attention/cuda-13 or -12.

import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { payloadFolder } from '../cuda/compile-image.mjs';
import { readPayload } from '../cuda/payload-status.mjs';
import { abiStamp, root } from '../cuda/sources.mjs';

const readme = (major, archs) => `# @paged-attention/cuda-${major}

CUDA ${major} kernels of [paged-attention](https://www.npmjs.com/package/paged-attention), for ${archs.join(', ')}.
Data only: no code runs when it is installed. Install it beside \`paged-attention\` of the same version on a machine with
an NVIDIA GPU and a driver for CUDA ${major} or newer; \`npx paged-attention doctor\` says whether it is used.
`;

/**
 * Writes the package of one CUDA major version from the payload in prebuilds/.
 *
 * @param folder where the package is written; emptied first
 * @returns false when there is no payload of the present sources
 */
export function writeCudaPackage(major, folder) {
  const payload = readPayload(major);
  if (payload === undefined || payload.abi !== abiStamp()) return false;
  const { version, license, repository } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(payloadFolder(root, major), folder, { recursive: true });
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  const archs = payload.images.map(({ arch }) => arch);
  writeFileSync(join(folder, 'README.md'), readme(major, archs));
  const manifest = {
    name: `@paged-attention/cuda-${major}`,
    version,
    description: `CUDA ${major} kernels of paged-attention`,
    license,
    type: 'module',
    repository,
    os: ['linux'],
    cpu: ['x64'],
    libc: ['glibc'],
    files: ['payload.json', ...payload.images.map(({ file }) => file)],
    peerDependencies: { 'paged-attention': version },
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  return true;
}
