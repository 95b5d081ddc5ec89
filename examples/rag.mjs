// Retrieval: documents first and in a fixed order, the question last. A new question over documents that
// anyone asked about before computes the question only; a changed document is dropped by its tag.
import { load } from 'paged-attention';

const llm = await load();
const documents = new Map([
  ['omar', 'Omar lives in Lisbon. Omar works as a pilot.'],
  ['nadia', 'Nadia lives in Oslo. Nadia works as a baker.'],
  ['amber', 'The vault code of Amber is 4217.'],
]);

/** The same documents give the same tokens, whatever order the search returned them in. */
function promptFor(names, question) {
  const text = names.toSorted().map((name) => documents.get(name));
  return [
    { role: 'system', content: text.join(' ') },
    { role: 'user', content: question },
  ];
}

async function ask(names, question) {
  const { text, usage } = await llm.chat(promptFor(names, question), {
    tag: 'documents',
    retainMs: 600_000, // evicted after other prompts
  });
  console.log(`${question} ${text} (${usage.cachedTokens} of ${usage.promptTokens} cached)`);
}

await ask(['omar', 'nadia', 'amber'], 'Where does Omar live?');
await ask(['amber', 'omar', 'nadia'], 'What is the vault code of Amber?'); // found in another order
await ask(['nadia', 'amber'], 'What is the job of Nadia?'); // shares the front

documents.set('amber', 'The vault code of Amber is 9035.');
console.log('dropped', (await llm.invalidate({ tag: 'documents' })) > 0);
await ask(['omar', 'nadia', 'amber'], 'What is the vault code of Amber?');
await llm.close();
