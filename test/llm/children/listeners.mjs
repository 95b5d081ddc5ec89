// Callbacks of the user's that throw: a listener of a signal, one who awaits, one who iterates. Prints what each request
// came to; what nobody caught is counted.

import { load } from '../../../dist/index.js';

const uncaught = [];
process.on('uncaughtException', (error) => uncaught.push(error.message));

const llm = await load('recall', { worker: process.argv[2] === 'true' });
const long = { maxTokens: 60, ignoreEos: true };
const controller = new AbortController();
controller.signal.addEventListener('abort', () => {
  throw new Error('a listener of the signal');
});
const aborted = llm.generate('a', { ...long, maxTokens: 3000, signal: controller.signal });
const stranger = llm.generate('b', long);
await aborted[Symbol.asyncIterator]().next();
controller.abort('gone');

const reading = (async () => {
  for await (const _ of llm.generate('c', { ...long, maxTokens: 3000 }))
    throw new Error('a reader');
})();
const awaiting = llm.generate('d', long).then(() => {
  throw new Error('one who awaits');
});

const outcomes = await Promise.allSettled([aborted, stranger, reading, awaiting]);
for (const { status, value, reason } of outcomes) {
  console.log(status, value?.tokenIds.length ?? reason?.message ?? reason);
}
await llm.close();
console.log(uncaught.join());
