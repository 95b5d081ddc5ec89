// A pool far too small for the requests at hand: sequences lose their blocks to one another and
// come back, and every answer stays bit for bit what it is alone.
import { load } from 'paged-attention';

const text = 'The vault code of Amber is 4217. Omar lives in Lisbon. Nadia works as a baker.';
const questions = [
  'What is the vault code of Amber?',
  'Where does Omar live?',
  'What is the job of Nadia?',
];
const ask = (llm, question, salt) =>
  llm.chat(
    [
      { role: 'system', content: text },
      { role: 'user', content: question },
    ],
    { salt, digests: true, maxTokens: 60, ignoreEos: true, temperature: 0 },
  );

const roomy = await load();
const alone = [];
for (const question of questions) alone.push(await ask(roomy, question, 'alone'));
await roomy.close();

const blockBytes = roomy.info.kvBlockBytes;
const tiny = await load('recall', { kvCacheBytes: 16 * blockBytes, contextLen: 240 });
const together = await Promise.all(
  questions.map((question, i) => ask(tiny, question, `user ${i}`)),
);
const same = together.every(({ digests }, i) => digests.join() === alone[i].digests.join());
console.log(`preemptions: ${tiny.stats().numPreemptions}, equal logits in all answers: ${same}`);
await tiny.close();

try {
  await load('recall', { kvCacheBytes: 2 * blockBytes });
} catch (error) {
  console.log(error.code, error.message);
}
