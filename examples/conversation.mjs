// A conversation that goes on where its last reply ended: nothing is rendered, tokenised or computed twice.
import { load } from 'paged-attention';

const llm = await load();
const facts = { role: 'system', content: 'The vault code of Amber is 4217. Omar lives in Lisbon.' };

const first = await llm.chat([facts, { role: 'user', content: 'Where does Omar live?' }], {
  keepPrefix: true, // holds its blocks in the cache until dispose()
});
const question = { role: 'user', content: 'What is the vault code of Amber?' };
const second = await llm.chat([question], { prefix: first.prefix });
console.log(first.text, '-', second.text);
console.log(second.usage.computedTokens, 'of', second.usage.promptTokens, 'tokens computed');

first.prefix.dispose();
await llm.close();
