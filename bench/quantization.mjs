// What int8 and int4 weights cost and save: npm run bench:quantization [-- folder [questions]]
//
// Loads the model (default: recall) in bf16, int8 and int4 and asks each the same held-out recall
// questions, greedy. Prints, per dtype: answers that are right and that equal those in bf16; the mean
// of -ln p of the tokens of its answers (0 is certain; compare rows); seconds to load and to answer.

import { load } from '../dist/index.js';
import { generateQuestions } from '../tools/recall-model/generator.mjs';
import { machineLine } from './machine.mjs';

const [source = 'recall', count = '100'] = process.argv.slice(2);
const questions = generateQuestions({ split: 'test', seed: 2027, count: Number(count) });

const seconds = (since) => Number(process.hrtime.bigint() - since) / 1e9;

async function measure(dtype) {
  const opened = process.hrtime.bigint();
  const llm = await load(source, { dtype });
  const loadSeconds = seconds(opened);
  const asked = process.hrtime.bigint();
  const replies = await Promise.all(
    questions.map(({ messages, tools }) =>
      llm.chat(messages, { tools, temperature: 0, maxTokens: 64, logprobs: 0 }),
    ),
  );
  const answerSeconds = seconds(asked);
  await llm.close();
  const logprobs = replies.flatMap((reply) => reply.logprobs.map(({ logprob }) => logprob));
  const surprise = -logprobs.reduce((sum, logprob) => sum + logprob, 0) / logprobs.length;
  return { texts: replies.map(({ text }) => text), surprise, loadSeconds, answerSeconds };
}

console.log(machineLine());
console.log(`${questions.length} questions`);
console.log('dtype   right   as in bf16   mean -ln p   load s   answer s');
let inBf16;
for (const dtype of ['bf16', 'int8', 'int4']) {
  const { texts, surprise, loadSeconds, answerSeconds } = await measure(dtype);
  inBf16 ??= texts;
  const numRight = texts.filter((text, i) => text === questions[i].expected).length;
  const numEqual = texts.filter((text, i) => text === inBf16[i]).length;
  const columns = [
    dtype.padEnd(5),
    String(numRight).padStart(7),
    String(numEqual).padStart(12),
    surprise.toExponential(2).padStart(12),
    loadSeconds.toFixed(2).padStart(8),
    answerSeconds.toFixed(1).padStart(10),
  ];
  console.log(columns.join(' '));
}
