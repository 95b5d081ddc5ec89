// One prompt, several answers: n samples, and a generation that is split while it runs. All of them share
// the blocks of the prompt; only the last, partly filled one is copied.
import { load } from 'paged-attention';

const llm = await load();
const content = 'The vault code of Amber is 4217. Omar lives in Lisbon. '.repeat(12);
const messages = [
  { role: 'system', content },
  { role: 'user', content: 'Where does Omar live?' },
];

const { choices, usage } = await llm.chat(messages, { n: 8, temperature: 1.5, seed: 7 });
console.log(
  choices.length,
  'answers to',
  usage.promptTokens,
  'tokens, computed once:',
  usage.computedTokens,
);

const trunk = llm.chat(messages, { ignoreEos: true, maxTokens: 60 });
let branches = [];
for await (const _text of trunk) {
  if (branches.length > 0) continue;
  branches = [1, 2, 3].map((seed) => llm.fork(trunk, { temperature: 2, seed, maxTokens: 12 }));
}
const replies = await Promise.all(branches);
console.log(
  'branches:',
  replies.length,
  'different:',
  new Set(replies.map(({ text }) => text)).size,
);
for (const { usage: branch } of replies) console.log('computed again:', branch.recomputedTokens);
await llm.close();
