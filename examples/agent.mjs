// An agent: the model calls a tool, the result goes back, and each turn computes only what is new.
import { load } from 'paged-attention';

const llm = await load();
const homes = { Omar: 'Lisbon' };
const tools = [
  {
    type: 'function',
    function: {
      name: 'lookup',
      parameters: {
        type: 'object',
        properties: { attribute: { type: 'string' }, name: { type: 'string' } },
      },
    },
  },
];
const messages = [
  { role: 'system', content: 'Omar lives in Lisbon. Nadia works as a baker.' },
  { role: 'user', content: 'Where does Omar live?' },
];

for (let turn = 1; turn <= 2; turn++) {
  // The same tools in every turn: they stand in front of the conversation.
  const { text, toolCalls, usage } = await llm.chat(messages, { tools, maxTokens: 64 });
  console.log(`turn ${turn}: ${usage.cachedTokens} of ${usage.promptTokens} tokens cached`);
  messages.push({ role: 'assistant', content: text });
  for (const { id, name, arguments: args } of toolCalls) {
    console.log(`${name} of ${args.name}: ${homes[args.name]}`);
    messages.push({ role: 'tool', tool_call_id: id, content: homes[args.name] });
  }
}
await llm.close();
