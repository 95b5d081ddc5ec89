/** @jest-environment ./test/setup/emulated-gpu-environment.mjs */
import { Device } from '../../lib/device/index.js';
import { loadBlocks } from '../device/stored-weights.js';
import { fast } from './emulated-gpu.js';

test.each([
  ['int8', 'bf16'],
  ['int4', 'bf16'],
  ['int8', 'f16'],
] as const)('blocks of llama.cpp (%s) become %s on a GPU', async (stored, dtype) => {
  const device = Device.open(fast);
  const { found, expected } = await loadBlocks(device, stored, dtype);
  expect(found).toEqual(expected);
  await device.close();
});
