/** @jest-environment ./test/setup/emulated-gpu-environment.mjs */
// The package as its users have it, on an emulated GPU: short texts, two questions about each, answered
// like on the CPU, and what the second question found in the cache.
import { type Llm, type LoadOptions, load } from '../../dist/index.js';
import {
  generateConversation,
  generateQuestions,
  messagesOf,
  type Question,
} from '../../tools/recall-model/generator.mjs';
import { extentOfThisRun } from '../conformance/extent.js';

const isFull = extentOfThisRun() !== 'cover';
const numQuestions = isFull ? 100 : 20;
const size = { minTokens: 60, maxTokens: isFull ? 600 : 110, maxFacts: 8 } as const;
const small = { contextLen: 1024, maxSeqs: 8, maxTokensPerStep: 256, kvCacheBytes: 64 << 20 };
const options = { temperature: 0, maxTokens: 32 } as const;
const heldOut = { split: 'test', seed: 2026 } as const;
const questions = generateQuestions({ ...heldOut, ...size, count: numQuestions });
const minutes = 60_000;

/** Answers in the order of the questions, all asked at once. */
async function askAll(llm: Llm, asked: readonly Question[]): Promise<string[]> {
  const replies = asked.map(({ messages, tools }) => llm.chat(messages, { ...options, tools }));
  return (await Promise.all(replies)).map(({ text }) => text);
}

const opened: Llm[] = [];
async function open(changes: LoadOptions): Promise<Llm> {
  const llm = await load('recall', { ...small, ...changes });
  opened.push(llm);
  return llm;
}
afterEach(() => Promise.all(opened.splice(0).map((llm) => llm.close())));

describe('the recall model on an emulated GPU', () => {
  let onCpu: string[];
  beforeAll(async () => {
    onCpu = await askAll(await open({ backend: 'cpu' }), questions);
  });

  test.each([false, true])(
    `answers ${numQuestions} held-out questions like the CPU, deterministic: %p`,
    async (deterministic) => {
      const llm = await open({ backend: 'cuda', deterministic });
      expect(llm.info).toMatchObject({ backend: 'cuda', deterministic, kvDtype: 'bf16' });
      const answers = await askAll(llm, questions);
      expect(answers).toEqual(onCpu);
      const numRight = questions.filter(({ expected }, i) => expected === answers[i]).length;
      console.info(`${numRight} of ${numQuestions} right`);
      expect(numRight).toBeGreaterThanOrEqual(0.95 * numQuestions);
    },
    5 * minutes,
  );

  test(
    'does not compute a text again for the second question about it',
    async () => {
      const llm = await open({ backend: 'cuda' });
      const cpu = await open({ backend: 'cpu' });
      for (const { messages } of questions.slice(0, 5)) {
        const [text, first] = messages;
        const second = { role: 'user' as const, content: `${first.content} Answer again.` };
        const replies = [
          await llm.chat([text, first], options),
          await llm.chat([text, second], options),
        ];
        const { cachedTokens, computedTokens, promptTokens } = replies[1].usage;
        expect(cachedTokens).toBeGreaterThan(40);
        expect(cachedTokens + computedTokens).toBe(promptTokens);
        expect(replies[1].text).toBe((await cpu.chat([text, second], options)).text);
      }
    },
    2 * minutes,
  );

  test(
    'computes only the new tokens of a second turn',
    async () => {
      const llm = await open({ backend: 'cuda', deterministic: true });
      const shape = { split: 'test', targetTokens: 100, numFacts: 4, numTurns: 2 } as const;
      const conversation = generateConversation('turns/0', shape);
      const [{ question: one }, { question: two }] = conversation.turns;
      const opening = [...messagesOf(conversation, 0), { role: 'user', content: one } as const];
      const first = await llm.chat(opening, options);
      const turn = [
        { role: 'assistant', content: first.text } as const,
        { role: 'user', content: two } as const,
      ];
      const second = await llm.chat([...opening, ...turn], options);
      expect(second.usage.cachedTokens).toBe(first.usage.promptTokens + first.tokenIds.length);
    },
    minutes,
  );

  test('streams the text that it gives awaited', async () => {
    const llm = await open({ backend: 'cuda' });
    const generation = llm.chat(questions[0].messages, { ...options, ignoreEos: true });
    const pieces: string[] = [];
    for await (const piece of generation) pieces.push(piece);
    expect(pieces.length).toBeGreaterThan(5);
    expect(pieces.join('')).toBe((await generation).text);
  });

  test('ends a request that its signal aborts in mid-answer, and frees its blocks', async () => {
    const llm = await open({ backend: 'cuda' });
    const controller = new AbortController();
    const asked = { ...options, maxTokens: 200, ignoreEos: true, signal: controller.signal };
    const reason = new Error('the user left');
    const reading = (async () => {
      for await (const _ of llm.chat(questions[0].messages, asked)) controller.abort(reason);
    })();
    await expect(reading).rejects.toBe(reason);
    expect((await llm.chat(questions[1].messages, options)).text).toBe(onCpu[1]);
    expect(llm.stats()).toMatchObject({ numRunning: 0, cache: { numLive: 0 } });
  });
});
