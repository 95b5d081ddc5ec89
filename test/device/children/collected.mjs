// Drops tensors and whole devices without freeing them; needs --expose-gc. Prints how many buffers
// the collector had to give back, and the bytes that are left.

import { Device } from '../../../dist/device/index.js';

const tick = () => new Promise((resolve) => setTimeout(resolve, 5));
const device = Device.open({ threads: 1 });
const kept = device.tensor({ dtype: 'f32', shape: [16] });
for (let i = 0; i < 50; i++) device.tensor({ dtype: 'f32', shape: [1024] });
for (let i = 0; i < 10; i++) Device.open({ threads: 2 }).tensor({ dtype: 'f32', shape: [1024] });
for (let i = 0; i < 20 && device.counters().buffersCollected < 50; i++) {
  await tick();
  globalThis.gc();
}
await device.whenIdle();
const { buffersCollected, bytesAllocated } = device.counters();
process.stdout.write(`${buffersCollected} ${bytesAllocated} ${kept.byteLength}\n`);
