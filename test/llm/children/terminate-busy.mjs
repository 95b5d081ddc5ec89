// Terminates Workers at random moments while their models load, compute and draw, and counts what is left of them:
// `node terminate-busy.mjs ROUNDS SEED`. The main thread's own model answers in between.

import { Worker } from 'node:worker_threads';
import { Device } from '../../../dist/device/index.js';
import { load } from '../../../dist/index.js';

const [numRounds, seed] = process.argv.slice(2).map(Number);
let state = seed;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};

const ours = await load('recall');
const { text } = await ours.chat([{ role: 'user', content: 'Who?' }], { maxTokens: 4 });
const before = JSON.stringify(Device.liveObjects());

let numBusy = 0;
for (let round = 0; round < numRounds; round++) {
  const worker = new Worker(new URL('./busy-llm.mjs', import.meta.url), {
    workerData: { worker: round % 3 === 2 },
  });
  const when = random() < 0.3 ? 'started' : 'busy';
  await new Promise((resolve, reject) => {
    worker.on('message', (message) => message === when && resolve());
    worker.once('error', reject);
  });
  if (when === 'busy') numBusy++;
  await new Promise((resolve) => setTimeout(resolve, random() * (when === 'busy' ? 20 : 150)));
  await worker.terminate();
  const left = JSON.stringify(Device.liveObjects());
  if (left !== before) throw new Error(`round ${round}: ${left} live, ${before} before`);
}
const again = await ours.chat([{ role: 'user', content: 'Who?' }], { maxTokens: 4 });
if (again.text !== text) throw new Error(`${again.text} is not ${text}`);
await ours.close();
const counts = Object.values(Device.liveObjects());
process.stdout.write(`${numBusy > 0} ${counts}\n`);
