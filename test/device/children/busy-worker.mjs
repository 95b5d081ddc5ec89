// A Worker that keeps its own device busy until it is terminated.

import { parentPort } from 'node:worker_threads';
import { openBusyDevice } from './busy-device.mjs';

const device = await openBusyDevice();
const layout = { numLayers: 4, numKvHeads: 4, headDim: 64, dtype: 'bf16', blockSize: 16 };
const kvCache = device.createKvCache({ ...layout, numBlocks: 64 });
const host = device.allocateHostBlocks(kvCache, 63);
const pairs = Array.from({ length: 63 }, (_, i) => ({ block: i + 1, hostBlock: i }));
for (const direction of ['toHost', 'toDevice', 'toHost']) {
  device.transfer({ kvCache, host, pairs, direction }).done.catch(() => {});
}
device
  .tensor({ dtype: 'f32', shape: [1 << 20] })
  .read()
  .catch(() => {});
parentPort.postMessage('busy');
