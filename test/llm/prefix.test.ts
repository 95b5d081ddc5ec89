import type { GenerateOptions } from '../../dist/llm/index.js';
import {
  byteLevelTokenizer,
  tinyTemplate,
  vocabSize,
  writeTokenizer,
} from '../text/tiny-tokenizer.js';
import { closeAll, endTokenId, freshStats, openArithmeticLlm } from './arithmetic-llm.js';
import { assistant, facts, some, user } from './messages.js';

afterEach(closeAll);

/** Whole words with the space before them: any sequence of them is what its text is encoded to. */
const { vocab } = (byteLevelTokenizer() as { model: { vocab: Record<string, number> } }).model;
const wordIds = ['Ġlive', 'Ġcode', 'ĠAmber'].map((piece) => vocab[piece]);

/** Makes the model speak whole words, until it ends the reply: text that gives back the tokens it came from. */
function wordsOnly(): GenerateOptions {
  const banned = Array.from({ length: vocabSize() }, (_, id) => id).filter(
    (id) => id !== endTokenId && !wordIds.includes(id),
  );
  const logitBias = Object.fromEntries(banned.map((id) => [id, -1e30]));
  return { maxTokens: 200, minTokens: 3, logitBias };
}

describe('turns', () => {
  const folder = writeTokenizer({
    config: { bos_token: '<s>', chat_template: tinyTemplate.replace(' | trim', '') },
  });

  test('with the reply appended as a plain message compute only the new tokens', async () => {
    const llm = await openArithmeticLlm({ folder });
    const messages = [facts, user('Where does Omar live?')];
    const first = await llm.chat(messages, wordsOnly());
    expect(first.finishReason).toBe('stop');
    const next = [...messages, assistant(first.text), user('Are you sure?')];
    const second = await llm.chat(next, some);
    const known = first.usage.promptTokens + first.tokenIds.length;
    expect(second.usage.cachedTokens).toBe(known);
    expect(second.usage.computedTokens).toBe(second.usage.promptTokens - known);
  });

  test('are the same tokens by messages and by prefix', async () => {
    const llm = await openArithmeticLlm({ folder });
    const messages = [facts, user('Where does Omar live?')];
    const { text, prefix, usage } = await llm.chat(messages, wordsOnly());
    expect(prefix.numTokens).toBe(usage.promptTokens + usage.outputTokens);
    const byPrefix = await llm.chat([user('Are you sure?')], { ...some, prefix });
    const next = [...messages, assistant(text), user('Are you sure?')];
    const byMessages = await llm.chat(next, some);
    expect(byMessages.usage.promptTokens).toBe(byPrefix.usage.promptTokens);
    expect(byMessages.usage.computedTokens).toBe(1);
    expect(byMessages.text).toBe(byPrefix.text);
  });
});

describe('a prefix', () => {
  test('goes on exactly where the reply ended, computing only what is new', async () => {
    const llm = await openArithmeticLlm();
    const messages = [facts, user('Where does Omar live?')];
    const first = await llm.chat(messages, { ...some, keepPrefix: true, digests: true });
    const { prefix, usage } = first;
    expect(prefix.numTokens).toBe(usage.promptTokens + 20);
    expect(prefix.isHeld).toBe(true);
    const second = await llm.chat([user('Sure?')], { ...some, prefix });
    expect(second.usage.cachedTokens).toBe(prefix.numTokens - 1); // the last one drawn was never run
    expect(second.usage.promptTokens).toBeGreaterThan(prefix.numTokens);
    expect(second.prefix.numTokens).toBe(second.usage.promptTokens + 20);
    prefix.dispose();
  });

  test('is the same held, not held, and as the tokens of the whole conversation', async () => {
    const llm = await openArithmeticLlm();
    const messages = [facts, user('Where does Omar live?')];
    const replies = [];
    for (const keepPrefix of [true, false]) {
      const { prefix } = await llm.chat(messages, { ...some, keepPrefix });
      replies.push(await llm.chat([user('Sure?')], { ...some, prefix, digests: true }));
    }
    expect(replies[1].digests).toEqual(replies[0].digests);
    expect(replies[1].usage.promptTokens).toBe(replies[0].usage.promptTokens);
    const cold = await openArithmeticLlm();
    const { prefix } = await cold.chat(messages, { ...some, cache: 'off' });
    const alone = await cold.chat([user('Sure?')], { ...some, prefix, digests: true });
    expect(alone.usage.cachedTokens).toBe(0);
    expect(alone.digests).toEqual(replies[0].digests);
  });

  test('may be continued twice at the same time', async () => {
    const llm = await openArithmeticLlm();
    const { prefix } = await llm.chat([facts, user('x')], { ...some, keepPrefix: true });
    const [one, two] = await Promise.all([
      llm.chat([user('Sure?')], { ...some, prefix }),
      llm.chat([user('Sure?')], { ...some, prefix }),
    ]);
    expect(one.text).toBe(two.text);
  });

  test('continues as text with generate()', async () => {
    const llm = await openArithmeticLlm();
    const { prefix } = await llm.generate('The vault', { ...some, keepPrefix: true });
    const { usage } = await llm.generate(' code', { ...some, prefix });
    expect(usage.cachedTokens).toBe(prefix.numTokens - 1);
  });

  test('is refused after dispose(), which may be called twice', async () => {
    const llm = await openArithmeticLlm();
    for (const keepPrefix of [true, false]) {
      const { prefix } = await llm.chat([facts, user('x')], { ...some, keepPrefix });
      prefix.dispose();
      prefix.dispose();
      expect(prefix.isHeld).toBe(false);
      await expect(llm.chat([user('y')], { prefix })).rejects.toMatchObject({
        code: 'ERR_PREFIX_RELEASED',
      });
    }
    expect((await freshStats(llm)).numHandles).toBe(0);
  });

  test('holds its blocks until dispose()', async () => {
    const llm = await openArithmeticLlm();
    const { prefix } = await llm.chat([facts, user('x')], { ...some, keepPrefix: true });
    expect((await freshStats(llm)).cache.numPinned).toBeGreaterThan(3);
    prefix[Symbol.dispose]();
    expect((await freshStats(llm)).cache.numPinned).toBe(0);
  });

  test('that nobody gets holds nothing', async () => {
    const llm = await openArithmeticLlm();
    const options = { ...some, keepPrefix: true };
    const { text } = await llm.chat([facts, user('x')], some);
    for (const at of [0, text.length - 3]) {
      const stopped = await llm.chat([facts, user('x')], {
        ...options,
        stop: text.slice(at, at + 3),
      });
      expect(stopped.prefix.isHeld).toBe(false);
    }
    const aborted = [0, 1, 5, 19].map(async (numChunks) => {
      const generation = llm.chat([facts, user('x')], options);
      const chunks = generation[Symbol.asyncIterator]();
      for (let i = 0; i < numChunks; i++) await chunks.next();
      generation.abort('left');
      await generation.then(
        ({ prefix }) => prefix.dispose(),
        () => {},
      );
    });
    await Promise.all(aborted);
    await llm.chat([facts, user('y')], some);
    expect((await freshStats(llm)).numHandles).toBe(0);
  });

  test('belongs to the model that made it', async () => {
    const [llm, other] = [await openArithmeticLlm(), await openArithmeticLlm()];
    const { prefix } = await llm.chat([facts, user('x')], { ...some, keepPrefix: true });
    await expect(other.chat([user('y')], { prefix })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      field: 'prefix',
    });
    const running = llm.chat([user('y')], some);
    await expect(other.fork(running)).rejects.toMatchObject({ field: 'generation' });
    await running;
  });

  test('has the salt of its request', async () => {
    const llm = await openArithmeticLlm();
    const options = { ...some, salt: 'one', keepPrefix: true };
    const { prefix } = await llm.chat([facts, user('x')], options);
    const { usage } = await llm.chat([user('y')], { ...some, prefix });
    expect(usage.cachedTokens).toBe(prefix.numTokens - 1);
    await expect(llm.chat([user('y')], { ...some, prefix, salt: 'two' })).rejects.toMatchObject({
      field: 'salt',
    });
  });
});
