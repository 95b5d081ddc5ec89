import { load } from '../../dist/index.js';
import {
  type AnswerFormat,
  generateConversation,
  generateQuestions,
  generateRemoved,
  messagesOf,
  notStated,
  type Question,
} from '../../tools/recall-model/generator.mjs';

/** Names, codes, places and pairings of this split never occur in training (generator.test.ts). */
const heldOut = { split: 'test', seed: 2026 } as const;
const minutes = 60_000;

/** Asks all at once, greedy; gives each reply's text in order. */
async function askAll(questions: readonly Question[]): Promise<string[]> {
  const llm = await load();
  const replies = await Promise.all(
    questions.map(({ messages, tools }) =>
      llm.chat(messages, { tools, temperature: 0, maxTokens: 64 }),
    ),
  );
  await llm.close();
  return replies.map(({ text }) => text);
}

function numRight(questions: readonly Question[], answers: readonly string[]): number {
  const wrong = questions
    .map(({ messages, expected }, i) => ({
      asked: messages.at(-1)?.content,
      expected,
      got: answers[i],
    }))
    .filter(({ expected, got }) => got !== expected);
  console.log(
    `${questions.length - wrong.length} of ${questions.length} right`,
    wrong.slice(0, 10),
  );
  return questions.length - wrong.length;
}

describe('recall', () => {
  test(
    'answers at least 495 of 500 held-out questions on texts of 200 to 4,096 tokens',
    async () => {
      const questions = generateQuestions({ ...heldOut, count: 500 });
      const answers = await askAll(questions);
      expect(numRight(questions, answers)).toBeGreaterThanOrEqual(495);
    },
    5 * minutes,
  );

  test(
    'says of at least 95 % that they are not stated, when the asked fact is removed, and guesses at most 1 %',
    async () => {
      const questions = generateRemoved({ ...heldOut, count: 200 });
      const answers = await askAll(questions);
      const numGuessed = answers.filter((answer, i) => answer === questions[i].fact.value).length;
      const numNotStated = answers.filter((answer) => answer === notStated).length;
      console.log(`of 200: ${numNotStated} not stated, ${numGuessed} guessed`);
      expect(numNotStated).toBeGreaterThanOrEqual(190);
      expect(numGuessed).toBeLessThanOrEqual(2);
    },
    3 * minutes,
  );

  test.each<{ format: AnswerFormat; name: string }>([
    { format: 'json', name: 'JSON when it is asked for' },
    { format: 'lookup', name: 'one call of the tool that is offered' },
  ])(
    'answers as $name',
    async ({ format }) => {
      const questions = generateQuestions({ ...heldOut, count: 60, format, maxTokens: 1000 });
      expect(numRight(questions, await askAll(questions))).toBeGreaterThanOrEqual(57);
    },
    2 * minutes,
  );
});

describe('turns', () => {
  test('a second turn computes only its new tokens: prompt and reply of the first are hits', async () => {
    const llm = await load();
    for (let seed = 0; seed < 8; seed++) {
      const conversation = generateConversation(`turns/${seed}`, {
        split: 'test',
        targetTokens: 300,
        numFacts: 8,
        numTurns: 2,
      });
      const [{ question: firstQuestion }, { question: secondQuestion }] = conversation.turns;
      const opening = [
        ...messagesOf(conversation, 0),
        { role: 'user', content: firstQuestion } as const,
      ];
      const first = await llm.chat(opening, { temperature: 0 });
      expect(first.finishReason).toBe('stop');
      const second = await llm.chat(
        [
          ...opening,
          { role: 'assistant', content: first.text },
          { role: 'user', content: secondQuestion },
        ],
        { temperature: 0 },
      );
      const numKnown = first.usage.promptTokens + first.tokenIds.length;
      expect(second.usage.cachedTokens).toBe(numKnown);
    }
    await llm.close();
  }, 60_000);
});
