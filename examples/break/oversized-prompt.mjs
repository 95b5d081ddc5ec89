// A prompt longer than the context is refused with both numbers, never truncated.
import { load } from 'paged-attention';

const llm = await load();
try {
  await llm.generate('one two three four '.repeat(2000));
} catch (error) {
  console.log(error.code, error.message);
}
const { numLive } = llm.stats().cache;
console.log(`blocks in use afterwards: ${numLive}`);
await llm.close();
