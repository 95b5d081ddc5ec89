// Many users, one long system prompt: whoever comes first pays for it, everyone else starts behind it.
import { load } from 'paged-attention';

const llm = await load();
const people = [
  'Omar lives in Lisbon.',
  'Nadia works as a baker.',
  'The vault code of Amber is 4217.',
];
const rules = 'Answer from the text below and say "not stated in the text" otherwise. '.repeat(20);
const system = { role: 'system', content: `${rules}${people.join(' ')}` };
const questions = [
  'Where does Omar live?',
  'What is the job of Nadia?',
  'What is the vault code of Amber?',
  'Where does Omar live?',
];

let computed = 0;
let prompt = 0;
for (const content of questions) {
  const { text, usage } = await llm.chat([system, { role: 'user', content }]);
  computed += usage.computedTokens;
  prompt += usage.promptTokens;
  console.log(`${text}: ${usage.cachedTokens} of ${usage.promptTokens} tokens cached`);
}
console.log(`computed ${computed} of ${prompt} prompt tokens`);

// All at once: those that wait for the same prefix do not compute it twice either, but for a few tokens at its end.
await llm.invalidate({ all: true });
const replies = await Promise.all(
  questions.map((content) => llm.chat([system, { role: 'user', content }])),
);
const total = replies.reduce((sum, { usage }) => sum + usage.computedTokens, 0);
console.log(`together: computed ${total} of ${prompt}`);
await llm.close();
