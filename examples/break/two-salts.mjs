// Two organisations send the same prompt under two salts: neither sees the other's cache.
import { load } from 'paged-attention';

const llm = await load();
const messages = [
  { role: 'system', content: 'The vault code of Amber is 4217. Omar lives in Lisbon.' },
  { role: 'user', content: 'Where does Omar live?' },
];
for (const salt of ['acme', 'globex', 'acme']) {
  const { text, usage } = await llm.chat(messages, { salt });
  console.log(`${salt}: ${text}, cached ${usage.cachedTokens} of ${usage.promptTokens} tokens`);
}
await llm.close();
