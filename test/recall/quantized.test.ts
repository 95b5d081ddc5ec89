// What int8 and int4 weights cost the recall model, counted on the same held-out questions in bf16.
import { type LoadOptions, load } from '../../dist/index.js';
import { generateQuestions } from '../../tools/recall-model/generator.mjs';

const questions = generateQuestions({ split: 'test', seed: 2027, count: 200 });
const minutes = 60_000;

/** Each question's answer, greedy. */
async function answersIn(dtype: LoadOptions['dtype']): Promise<string[]> {
  const llm = await load('recall', { dtype });
  expect(llm.info.weightsDtype).toBe(dtype);
  const replies = await Promise.all(
    questions.map(({ messages, tools }) =>
      llm.chat(messages, { tools, temperature: 0, maxTokens: 64 }),
    ),
  );
  await llm.close();
  return replies.map(({ text }) => text);
}

describe('the recall model with quantised weights', () => {
  let inBf16: readonly string[];
  beforeAll(async () => {
    inBf16 = await answersIn('bf16');
  }, 5 * minutes);

  test.each([
    { dtype: 'int8', minFraction: 0.99 },
    { dtype: 'int4', minFraction: 0.97 },
  ] as const)(
    'in $dtype answers at least $minFraction of the questions right, and as many as in bf16',
    async ({ dtype, minFraction }) => {
      const answers = await answersIn(dtype);
      const numRight = answers.filter((text, i) => text === questions[i].expected).length;
      const numEqual = answers.filter((text, i) => text === inBf16[i]).length;
      console.info(`${dtype}, of ${questions.length}: ${numRight} right, ${numEqual} as in bf16`);
      expect(numRight).toBeGreaterThanOrEqual(minFraction * questions.length);
      expect(numEqual).toBeGreaterThanOrEqual(minFraction * questions.length);
    },
    5 * minutes,
  );
});
