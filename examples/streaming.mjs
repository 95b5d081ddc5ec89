// Text as it comes, a time limit, and several answers at once.
import { load } from 'paged-attention';

const llm = await load();
const messages = [
  { role: 'system', content: 'The vault code of Amber is 4217. Omar lives in Lisbon.' },
  { role: 'user', content: 'Where does Omar live?' },
];

for await (const text of llm.chat(messages)) process.stdout.write(`${text}|`);
console.log();

const generation = llm.chat(messages, { ignoreEos: true, signal: AbortSignal.timeout(50) });
try {
  await generation;
} catch (reason) {
  console.log(`${reason.name} after ${generation.tokenIds.length > 0 ? 'some' : 'no'} tokens`);
}

const { choices } = await llm.chat(messages, { n: 3, temperature: 1, seed: 1 });
console.log(choices.map((choice) => choice.text));
await llm.close();
