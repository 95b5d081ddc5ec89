// Ctrl-C in the middle of an answer: the stream ends, its blocks are free again, and the process
// exits with 0. The program presses Ctrl-C on itself after three pieces of text.
import { load } from 'paged-attention';

const llm = await load();
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort(new Error('Ctrl-C')));

let numPieces = 0;
try {
  const story = llm.generate('The vault code of', { ignoreEos: true, signal: interrupt.signal });
  for await (const _piece of story) {
    numPieces += 1;
    if (numPieces === 3) process.kill(process.pid, 'SIGINT');
  }
} catch (error) {
  console.log(`the stream ended with: ${error.message}`);
}
const next = await llm.generate('Omar lives in', { maxTokens: 1 });
console.log(`the next request is served: ${next.usage.outputTokens} token`);
console.log(`blocks in use afterwards: ${llm.stats().cache.numLive}`);
await llm.close();
