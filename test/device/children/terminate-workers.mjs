// Terminates Workers while their devices run steps, loads and transfers:
// `node terminate-workers.mjs ROUNDS`. The main thread's own device works on meanwhile.

import { Worker } from 'node:worker_threads';
import { Device } from '../../../dist/device/index.js';

const device = Device.open({ threads: 1 });
const tensor = device.tensor({ dtype: 'i32', shape: [4], data: new Int32Array([1, 2, 3, 4]) });

for (let round = 0; round < Number(process.argv[2]); round++) {
  const worker = new Worker(new URL('./busy-worker.mjs', import.meta.url));
  await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  if (round % 2 === 1) await new Promise((resolve) => setTimeout(resolve, round));
  await worker.terminate();
  const values = await tensor.read();
  if (values.join() !== '1,2,3,4') throw new Error(`the main thread read ${values}`);
}
process.stdout.write('all terminated\n');
