// Which payloads of today's kernels stand in prebuilds/, in one sentence.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { payloadFolder } from './compile-image.mjs';
import { abiStamp, root } from './sources.mjs';
import { cudaMajors } from './toolkit.mjs';

/** payload.json of one CUDA major version, or undefined. */
export function readPayload(major) {
  const path = join(payloadFolder(root, major), 'payload.json');
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

/** Says which kernels an addon of this clone will find; without any, how they are made. */
export function describePayloads() {
  const payloads = cudaMajors.map(readPayload).filter(Boolean);
  const how = 'tools/cuda-toolkit, then npm run build:payloads';
  if (payloads.length === 0) return `no CUDA kernels, so GPUs are not used (${how})`;
  const current = payloads.filter(({ abi }) => abi === abiStamp());
  if (current.length === 0) return `CUDA kernels are of other sources (${how})`;
  const parts = current.map(
    ({ cuda, images }) => `CUDA ${cuda} (${images.map(({ arch }) => arch).join(', ')})`,
  );
  return `kernels for ${parts.join(' and ')}`;
}
