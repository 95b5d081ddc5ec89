// Two organisations send the same text and share nothing; within one, everything is shared.
import { load } from 'paged-attention';

const llm = await load();
const messages = [
  { role: 'system', content: 'The vault code of Amber is 4217. Omar lives in Lisbon.' },
  { role: 'user', content: 'Where does Omar live?' },
];

for (const salt of ['north', 'south', 'north']) {
  const { text, usage } = await llm.chat(messages, { salt });
  console.log(salt, text, 'cached', usage.cachedTokens, 'of', usage.promptTokens);
}
console.log('dropped', await llm.invalidate({ salt: 'north' }), 'blocks of north');
const { cause } = await llm.explain({ messages }, { salt: 'north' });
console.log('north would miss now, because:', cause);
await llm.close();
