// A conversation's second turn, with the chat templates of today's families, on the compiled package.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChatMessage, type ChatOptions, type Llm, load } from '../../dist/index.js';
import { randomConfig, writeRandomCheckpoint } from '../model/random-checkpoint.js';
import { byteLevelTokenizer, vocabSize, writeTokenizer } from '../text/tiny-tokenizer.js';
import { user } from './messages.js';

const root = mkdtempSync(join(tmpdir(), 'paged-attention-turns-'));
afterAll(() => rmSync(root, { recursive: true }));

const { vocab } = (byteLevelTokenizer() as { model: { vocab: Record<string, number> } }).model;
const numReplyTokens = 4;
/** Makes every reply `zzzz`, which is tokenised as it was drawn. */
const sayZ: ChatOptions = {
  maxTokens: numReplyTokens,
  ignoreEos: true,
  logitBias: { [vocab.z]: 1000 },
  templateVariables: { date_string: '21 Nov 2026' },
};

async function withFamily<T>(
  family: string,
  act: (llm: Llm) => Promise<T>,
  name = family,
): Promise<T> {
  const folder = join(root, name);
  const chat_template = readFileSync(`test/text/templates/${family}.jinja`, 'utf8');
  writeRandomCheckpoint(folder, { config: randomConfig({ vocab_size: vocabSize() }) });
  writeTokenizer({ folder, config: { bos_token: '<s>', eos_token: '<|end|>', chat_template } });
  const llm = await load(folder, { contextLen: 2048, threads: 1, kvCacheBytes: 2 ** 25 });
  try {
    return await act(llm);
  } finally {
    await llm.close();
  }
}

const assistant = (content: string): ChatMessage => ({ role: 'assistant', content });

/** Asks `first`, appends the reply and a question, and gives what the cache says of that and what it did. */
async function secondTurn(llm: Llm, first: ChatMessage[], options: ChatOptions = {}) {
  const opened = first.at(-1)?.role === 'assistant' ? (first.at(-1)!.content as string) : '';
  const { text, usage } = await llm.chat(first, { ...sayZ, ...options });
  expect(text).toBe('z'.repeat(numReplyTokens));
  const before = opened === '' ? first : first.slice(0, -1);
  const messages = [...before, assistant(opened + text), user('Really?')];
  const { templateVariables } = sayZ;
  const explained = await llm.explain({ messages, templateVariables });
  const second = await llm.chat(messages, sayZ);
  // The last token of a reply is drawn and not run.
  return { explained, usage: second.usage, known: usage.promptTokens + numReplyTokens - 1 };
}

describe('the second turn of a conversation', () => {
  const first: ChatMessage[] = [{ role: 'system', content: 'Be kind.' }, user('Where is Omar?')];

  test.each(['llama-3', 'qwen2.5', 'qwen3', 'phi-4-mini'])(
    'computes only what is new with the template of %s',
    async (family) => {
      const { usage, known } = await withFamily(family, (llm) => secondTurn(llm, first));
      expect(usage.cachedTokens).toBe(known);
      expect(usage.computedTokens).toBe(usage.promptTokens - known);
    },
  );

  test('misses where the template of Qwen 3 takes reasoning out, and the miss says so', async () => {
    const reasoned = [user('Where is Omar?'), assistant('<think>\nHm.\n</think>\n\nA')];
    const { explained, usage, known } = await withFamily('qwen3', (llm) =>
      secondTurn(llm, reasoned, { continueFinalMessage: true }),
    );
    expect(usage.cachedTokens).toBeLessThan(known);
    expect(explained.firstDivergentToken).toBe(usage.cachedTokens);
    expect(explained).toMatchObject({ where: 'template', text: expect.stringMatching(/^Azzzz/) });
    expect(explained.cachedText).toMatch(/^<think>/);
  });

  test('misses where the template of Mistral moves the system message, and the miss says so', async () => {
    const { explained, usage, known } = await withFamily('mistral', (llm) => {
      const [warning] = llm.info.templateWarnings;
      expect(warning).toMatch(/template "default" rewrites history with a system message/);
      return secondTurn(llm, first);
    });
    expect(usage.cachedTokens).toBeLessThan(known);
    expect(explained.firstDivergentToken).toBe(usage.cachedTokens);
    expect(explained.text).toMatch(/^ Where is/);
    expect(explained.cachedText).toMatch(/^ Be kind/);
  });
});

describe('a template that destroys prefix reuse', () => {
  const { emitWarning } = process;
  afterEach(() => {
    process.emitWarning = emitWarning;
  });

  test('is reported once per process and folder, and in info each time', async () => {
    const warnings: unknown[][] = [];
    process.emitWarning = (...warning: unknown[]) => void warnings.push(warning);
    const ofLoading = (folder: string) =>
      withFamily('qwen3', async ({ info }) => info.templateWarnings, folder);
    const known = await ofLoading('once');
    expect(known).toEqual([expect.stringMatching(/rewrites history with reasoning in a reply/)]);
    expect(await ofLoading('once')).toEqual(known);
    expect(await ofLoading('twice')).toEqual(known);
    expect(warnings).toEqual(
      ['once', 'twice'].map((name) => [
        `${join(root, name)}: ${known[0]}`,
        { code: 'PAGED_ATTENTION_TEMPLATE' },
      ]),
    );
  });
});
