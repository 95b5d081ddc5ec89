// The compiled package: answers that a grammar holds, and tool calls, of the recall model and of random weights that
// would never give either by themselves.
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { type ChatTool, type Llm, load, type ResponseFormat } from '../../dist/index.js';
import { randomConfig, writeRandomCheckpoint } from '../model/random-checkpoint.js';
import { system, user } from './messages.js';
import { randomSchema } from './random-schema.js';

const facts = system('The vault code of Amber is 4217. Omar lives in Lisbon.');
const folder = mkdtempSync(join(tmpdir(), 'paged-attention-structured-'));
const seed = Number(process.env.PA_SEED ?? Date.now() % 1_000_000);
/** Tokens with bytes outside ASCII: random weights put them together to what is no UTF-8, whose length is anyone's. */
const brokenBytes = Object.fromEntries(
  Object.entries(JSON.parse(readFileSync('models/recall/tokenizer.json', 'utf8')).model.vocab)
    .filter(([piece]) => /[\u00a1-\u00ff\u0121-\u0143]/.test(piece))
    .map(([, id]) => [id, -1e4]),
);
let recall: Llm;
let random: Llm;

beforeAll(async () => {
  recall = await load();
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
    cpSync(join('models/recall', file), join(folder, file));
  }
  const config = randomConfig({ vocab_size: 1280, eos_token_id: 6, bos_token_id: 1 });
  writeRandomCheckpoint(folder, { config, dtype: 'bf16' });
  random = await load(folder, { contextLen: 2048, threads: 1 });
});
afterAll(async () => {
  await Promise.all([recall.close(), random.close()]);
  rmSync(folder, { recursive: true });
});

describe('responseFormat', () => {
  test('gives the answer that the model knows as typed JSON', async () => {
    const schema = z.object({ answer: z.string() });
    const responseFormat = { type: 'json_schema', schema } as const;
    const reply = await recall.chat([facts, user('Where does Omar live?')], { responseFormat });
    const city: string | undefined = reply.parsed?.answer;
    expect({ city, text: reply.text }).toEqual({ city: 'Lisbon', text: '{"answer": "Lisbon"}' });
    expect(reply.finishReason).toBe('stop');
  });

  test.each<[ResponseFormat, RegExp]>([
    [{ type: 'regex', pattern: '[0-9]{4}' }, /^4217$/],
    [{ type: 'regex', pattern: 'code [0-9]{2}' }, /^code \d\d$/],
    [{ type: 'grammar', grammar: 'root ::= "yes" | "no"' }, /^(yes|no)$/],
    [{ type: 'json_object' }, /^\{.*\}$/s],
    [{ type: 'json_schema', json_schema: { name: 'x', schema: { const: 'é"\n' } } }, /^"é\\"\\n"$/],
  ])('%j holds the whole answer', async (responseFormat, expected) => {
    const messages = [facts, user('What is the vault code of Amber?')];
    const reply = await recall.chat(messages, { responseFormat, maxTokens: 200 });
    expect(reply.text).toMatch(expected);
    expect(reply.finishReason).toBe('stop');
  });

  test(`every finished answer of random weights to random schemas is valid (PA_SEED=${seed})`, async () => {
    let numFinished = 0;
    const ask = async (i: number) => {
      const { schema, isValid } = randomSchema(seed * 1000 + i);
      const reply = await random.generate('x', {
        responseFormat: { type: 'json_schema', schema },
        logitBias: brokenBytes,
        ...{ temperature: 1, seed: i, maxTokens: 400, repetitionPenalty: i % 2 === 0 ? 1 : 1.2 },
      });
      if (reply.finishReason === 'length') return;
      numFinished++;
      const told = `${i}: ${JSON.stringify(schema)} -> ${reply.text}`;
      expect([told, isValid(JSON.parse(reply.text))]).toEqual([told, true]);
      expect(reply.parsed).toEqual(JSON.parse(reply.text));
    };
    await Promise.all(Array.from({ length: 60 }, (_, i) => ask(i)));
    expect(numFinished).toBeGreaterThan(30);
    const free = await random.generate('x', { temperature: 1, seed: 1, maxTokens: 40 });
    expect(() => JSON.parse(free.text)).toThrow();
  });

  test('is cut by maxTokens with the reason length, and has no parsed value then', async () => {
    const responseFormat = { type: 'json_object' } as const;
    const reply = await random.generate('x', { responseFormat, maxTokens: 1 });
    expect(reply).toMatchObject({ finishReason: 'length', parsed: undefined });
  });

  test('says what a validator has against an answer', async () => {
    const schema = z.object({
      n: z
        .number()
        .int()
        .min(1)
        .max(9)
        .refine((n) => n > 9, 'too small'),
    });
    const responseFormat = { type: 'json_schema', schema } as const;
    const { parsed, parseError, text } = await random.generate('x', { responseFormat });
    expect(text).toMatch(/^\{"n": [1-9]\}$/);
    expect(parsed).toBeUndefined();
    expect(parseError).toMatchObject({
      code: 'ERR_RESPONSE_INVALID',
      message: expect.stringContaining('n: too small'),
    });
  });

  test('goes together with biases, penalties, n and log-probabilities', async () => {
    const logitBias = { 11: 100 };
    const { choices } = await random.generate('x', {
      responseFormat: { type: 'regex', pattern: '[ab]{6}' },
      ...{
        n: 3,
        temperature: 20,
        seed: 5,
        logprobs: 20,
        logitBias,
        presencePenalty: 2,
        minTokens: 90,
      },
    });
    for (const { text, logprobs } of choices) {
      expect(text).toMatch(/^[ab]{6}$/);
      for (const { top } of logprobs!) {
        expect(top.every(({ logprob }) => Number.isFinite(logprob))).toBe(true);
        expect(top.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0)).toBeCloseTo(1, 3);
      }
    }
    expect(new Set(choices.map(({ text }) => text)).size).toBeGreaterThan(1);
  });

  test.each<[object, string, string]>([
    [{ type: 'json_schema', schema: { not: {} } }, 'ERR_SCHEMA_UNSUPPORTED', 'uses not'],
    [{ type: 'json_schema', schema: { type: 'strin' } }, 'ERR_SCHEMA_INVALID', 'type "strin"'],
    [{ type: 'json_schema', schema: z.date() }, 'ERR_SCHEMA_UNSUPPORTED', 'zod has no JSON schema'],
    [{ type: 'regex', pattern: '(a' }, 'ERR_GRAMMAR_INVALID', 'parenthesis is not closed'],
    [{ type: 'regex', pattern: '[а-я]+' }, 'ERR_GRAMMAR_INVALID', '[а-я]; classes hold ASCII'],
    [{ type: 'grammar', grammar: 'root ::= [é]' }, 'ERR_GRAMMAR_INVALID', '[é]; classes hold'],
    [{ type: 'grammar', grammar: 'rot ::= "a"' }, 'ERR_GRAMMAR_INVALID', 'root rule'],
    [{ type: 'grammar', grammar: 'root ::= root "a"' }, 'ERR_GRAMMAR_STUCK', 'no token'],
    [{ type: 'yaml' }, 'ERR_INVALID_ARGUMENT', 'responseFormat.type is "yaml"'],
    [{ type: 'json_schema' }, 'ERR_INVALID_ARGUMENT', 'responseFormat.schema is undefined'],
  ])('refuses %j', async (responseFormat, code, message) => {
    const asked = recall.generate('x', { responseFormat: responseFormat as ResponseFormat });
    await expect(asked).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
    const { text } = await recall.generate('x', {
      responseFormat: { type: 'regex', pattern: 'ok' },
    });
    expect(text).toBe('ok');
  });

  test('needs a token to stop at', async () => {
    const responseFormat = { type: 'json_object' } as const;
    await expect(recall.generate('x', { responseFormat, ignoreEos: true })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
  });

  test('a fork keeps its place in the grammar', async () => {
    const responseFormat = { type: 'regex', pattern: '[abc]{40}' } as const;
    const parent = random.generate('x', { responseFormat, temperature: 1, seed: 4 });
    for await (const _ of parent) break;
    const again = random.generate('x', { responseFormat, temperature: 1, seed: 4 });
    const fork = random.fork(again, { seed: 9 });
    const texts = [(await again).text, (await fork).text];
    for (const text of texts) expect(text).toMatch(/^[abc]{40}$/);
    expect(texts[0]).not.toBe(texts[1]);
  });
});

describe('tools', () => {
  const properties = { attribute: { type: 'string' }, name: { type: 'string' } };
  const lookup: ChatTool = {
    type: 'function',
    function: { name: 'lookup', parameters: { type: 'object', properties } },
  };
  const call = { name: 'lookup', arguments: { attribute: 'home', name: 'Omar' } };
  const messages = [facts, user('Where does Omar live?')];

  test('give calls, streamed and whole; the raw text stays', async () => {
    const generation = recall.chat(messages, { tools: [lookup] });
    const streamed = [];
    for await (const part of generation.parts()) streamed.push(part);
    const reply = await generation;
    expect(reply.toolCalls).toEqual([
      { id: expect.stringMatching(/^call_[0-9a-f]{24}$/), ...call },
    ]);
    expect(streamed).toEqual([{ type: 'toolCall', call: reply.toolCalls[0] }]);
    expect(reply.finishReason).toBe('tool_calls');
    expect(reply.text).toMatch(/^<tool_call>\n.*\n<\/tool_call>$/);
  });

  test('are read only where they are asked for', async () => {
    const none = await recall.chat(messages, { tools: [lookup], toolFormat: 'none' });
    expect(none).toMatchObject({ finishReason: 'stop', toolCalls: [] });
    expect(none.parts).toEqual([{ type: 'text', text: none.text }]);
    const plain = await recall.chat(messages);
    expect(plain).toMatchObject({ text: 'Lisbon', toolCalls: [] });
    const wrong = recall.chat(messages, { toolFormat: 'xml' as 'none' });
    await expect(wrong).rejects.toMatchObject({ field: 'toolFormat' });
  });
});
