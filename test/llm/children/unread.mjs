// Streams that nobody reads: `node --expose-gc unread.mjs WORKER`. Prints the tokens of one that is read, whether the
// collector got the others back once nobody had them, and the blocks that are left.

import { load } from '../../../dist/index.js';

const numRequests = 40;
const llm = await load('recall', { worker: process.argv[2] === 'true' });
const collected = new Set();
const registry = new FinalizationRegistry((i) => collected.add(i));
const start = (i) => {
  const generation = llm.generate(`${i}`, { maxTokens: 20, ignoreEos: true });
  void generation[Symbol.asyncIterator]().next(); // one piece, and never again
  registry.register(generation, i);
};
for (let i = 0; i < numRequests; i++) start(i);
const { tokenIds } = await llm.generate('somebody reads', { maxTokens: 20, ignoreEos: true });
while (llm.stats().numRunning + llm.stats().numWaiting > 0) {
  await new Promise((resolve) => setTimeout(resolve, 5));
  await llm.blockMap({ maxBlocks: 1 });
}
for (let i = 0; i < 100 && collected.size < numRequests; i++) {
  await new Promise((resolve) => setTimeout(resolve, 5));
  globalThis.gc();
}
// The collector may see one or two in a register or on the stack.
console.log(tokenIds.length, collected.size >= numRequests - 4, llm.stats().cache.numLive);
await llm.close();
