// What a prompt's shape is worth: five pairs of second requests, each printed with its cached tokens.
import { load } from 'paged-attention';

const llm = await load();
const facts =
  'Omar lives in Lisbon. Nadia works as a baker. The vault code of Amber is 4217. '.repeat(8);
const user = (content) => ({ role: 'user', content });
const system = (content) => ({ role: 'system', content });
const question = user('Where does Omar live?');

/** Sends both prompts to an empty cache and says how much of the second one was there. */
async function second(name, [first, then], options = [{}, {}]) {
  await llm.invalidate({ all: true });
  await llm.chat(first, { maxTokens: 1, ...options[0] });
  const { usage } = await llm.chat(then, { maxTokens: 1, ...options[1] });
  console.log(`${name.padEnd(34)} ${usage.cachedTokens} of ${usage.promptTokens} cached`);
}

const at = (time, text) => [system(`It is ${time}. ${text}`), question];
await second('the time in front', [at('10:01', facts), at('10:02', facts)]);
const after = (time, text) => [system(text), user(`It is ${time}. Where does Omar live?`)];
await second('the time last', [after('10:01', facts), after('10:02', facts)]);

const named = (name) => [system(`You talk with ${name}. ${facts}`), question];
await second('the user in front', [named('Ann'), named('Ben')]);
const signed = (name) => [system(facts), user(`I am ${name}. Where does Omar live?`)];
await second('the user last', [signed('Ann'), signed('Ben')]);

const turns = [system(facts), question, { role: 'assistant', content: 'Lisbon' }];
const more = user('What is the job of Nadia?');
await second('history rewritten', [turns, [system(facts), user('(summary: Omar, Lisbon)'), more]]);
await second('history appended to', [turns, [...turns, more]]);

const tool = (name) => ({ type: 'function', function: { name, parameters: { type: 'object' } } });
const tools = ['lookup', 'search', 'weather'].map(tool);
const asked = [turns.slice(0, 2), turns.slice(0, 2)];
await second('tools in another order', asked, [{ tools }, { tools: tools.toReversed() }]);
await second('tools in the same order', asked, [{ tools }, { tools }]);
const canonicalTools = true;
await second('canonicalTools: true', asked, [
  { tools, canonicalTools },
  { tools: tools.toReversed(), canonicalTools },
]);
await llm.close();
