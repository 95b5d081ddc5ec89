// The recall suite on a real GPU: questions whose answers stand anywhere in up to 4,096 tokens, so that
// a wrong block, slot or position is a wrong answer.
import { load } from '../../dist/index.js';
import {
  generateConversation,
  generateQuestions,
  messagesOf,
  type Question,
} from '../../tools/recall-model/generator.mjs';
import { describeOnGpu, modes, shareOf } from './gpu.js';

const timeoutMs = 300_000;
const heldOut = { split: 'test', seed: 2026 } as const;
const numQuestions = shareOf(500);
/** Under emulation a long text takes minutes. */
const length = numQuestions < 500 ? { maxTokens: 400 } : {};

function numRight(questions: readonly Question[], answers: readonly string[]): number {
  return questions.filter(({ expected }, i) => answers[i] === expected).length;
}

describeOnGpu.each(modes)('on a GPU in %s mode the recall model', (_mode, options) => {
  test(
    'answers 99 % of held-out questions, all asked at once',
    async () => {
      const questions = generateQuestions({ ...heldOut, ...length, count: numQuestions });
      const llm = await load('recall', options);
      const replies = await Promise.all(
        questions.map(({ messages, tools }) =>
          llm.chat(messages, { tools, temperature: 0, maxTokens: 64 }),
        ),
      );
      await llm.close();
      const texts = replies.map(({ text }) => text);
      console.info(`${numRight(questions, texts)} of ${questions.length} right`);
      expect(numRight(questions, texts)).toBeGreaterThanOrEqual(Math.floor(0.99 * numQuestions));
    },
    timeoutMs,
  );

  test(
    'computes only the new tokens of a second turn',
    async () => {
      const llm = await load('recall', options);
      for (let seed = 0; seed < shareOf(8); seed++) {
        const size = { split: 'test', targetTokens: 300, numFacts: 8, numTurns: 2 } as const;
        const conversation = generateConversation(`turns/${seed}`, size);
        const [{ question: firstQuestion }, { question: secondQuestion }] = conversation.turns;
        const opening = [
          ...messagesOf(conversation, 0),
          { role: 'user', content: firstQuestion } as const,
        ];
        const first = await llm.chat(opening, { temperature: 0 });
        const turn = [
          { role: 'assistant', content: first.text } as const,
          { role: 'user', content: secondQuestion } as const,
        ];
        const second = await llm.chat([...opening, ...turn], { temperature: 0 });
        const numKnown = first.usage.promptTokens + first.tokenIds.length;
        expect(second.usage.cachedTokens).toBe(numKnown);
      }
      await llm.close();
    },
    timeoutMs,
  );
});
