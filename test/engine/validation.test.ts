import { EngineCore, type SubmitMessage } from '../../lib/engine/index.js';
import { ArithmeticExecutor } from './arithmetic-executor.js';
import { arithmeticEngine, greedy, randomFrom, randomTokens } from './harness.js';

const prompt = randomTokens(randomFrom(2), 9, 97);

/** What is wrong, the message that has it, and the error that must come of it. */
const refusals: Array<[string, number[], Partial<SubmitMessage>, object]> = [
  ['an empty prompt', [], {}, { code: 'ERR_EMPTY_PROMPT' }],
  [
    'a token id past the vocabulary',
    [1, 97],
    {},
    { code: 'ERR_TOKEN_OUT_OF_RANGE', field: 'promptTokens[1]', value: 97 },
  ],
  [
    'a negative token id',
    [-1],
    {},
    { code: 'ERR_TOKEN_OUT_OF_RANGE', field: 'promptTokens[0]', value: -1 },
  ],
  [
    'a prompt as long as the context',
    randomTokens(randomFrom(3), 128, 97),
    {},
    { code: 'ERR_PROMPT_TOO_LONG', value: 128, limit: expect.stringContaining('127') },
  ],
  [
    'a sequence larger than the pool',
    prompt,
    { maxTokens: 100 },
    { code: 'ERR_POOL_TOO_SMALL', message: expect.stringContaining('need 14 blocks') },
  ],
  ['maxTokens of 0', prompt, { maxTokens: 0 }, { field: 'maxTokens', value: 0 }],
  ['a timeout of 0', prompt, { timeoutMs: 0 }, { field: 'timeoutMs', value: 0 }],
  ['n of 0', prompt, { n: 0 }, { field: 'n', value: 0 }],
  ['n past maxSeqs', prompt, { n: 9 }, { field: 'n', limit: 'an integer in [1, 8]' }],
  ['a negative minTokens', prompt, { minTokens: -1 }, { field: 'minTokens' }],
  [
    'a stop token past the vocabulary',
    prompt,
    { stopTokenIds: [97] },
    { field: 'stopTokenIds[0]' },
  ],
  ['an empty salt', prompt, { salt: '' }, { field: 'salt' }],
  ['a priority that is no number', prompt, { priority: Number.NaN }, { field: 'priority' }],
  ['retainMs of 0', prompt, { retainMs: 0 }, { field: 'retainMs' }],
  ['a negative maxIdleMs', prompt, { maxIdleMs: -5 }, { field: 'maxIdleMs' }],
  ['keepPrefix without a cache', prompt, { cache: 'off', keepPrefix: true }, { field: 'cache' }],
  ['a tag on nothing that is kept', prompt, { tag: 'doc' }, { field: 'tag' }],
  ['upToTokens below 0', prompt, { cache: { upToTokens: -1 } }, { field: 'cache.upToTokens' }],
  ['an unknown prefix handle', prompt, { continueFrom: 5 }, { code: 'ERR_PREFIX_RELEASED' }],
  ...(
    [
      ['temperature', Number.NaN],
      ['temperature', Number.POSITIVE_INFINITY],
      ['temperature', -0.1],
      ['topP', 0],
      ['topP', 1.1],
      ['topP', Number.NaN],
      ['topK', -1],
      ['topK', 1.5],
      ['minP', 1],
      ['repetitionPenalty', 0],
      ['presencePenalty', Number.NaN],
      ['frequencyPenalty', Number.NEGATIVE_INFINITY],
      ['logprobs', 21],
    ] as const
  ).map(([field, value]): (typeof refusals)[number] => [
    `${field} of ${value}`,
    prompt,
    { sampling: { ...greedy, [field]: value } },
    { code: 'ERR_INVALID_ARGUMENT', field, value },
  ]),
  [
    'a bias on a token past the vocabulary',
    prompt,
    {
      sampling: {
        ...greedy,
        logitBias: { ids: Int32Array.of(97), values: Float32Array.of(1) },
      },
    },
    { code: 'ERR_TOKEN_OUT_OF_RANGE', field: 'logitBias.ids[0]' },
  ],
  [
    'an infinite bias',
    prompt,
    {
      sampling: {
        ...greedy,
        logitBias: { ids: Int32Array.of(1), values: Float32Array.of(Number.POSITIVE_INFINITY) },
      },
    },
    { code: 'ERR_INVALID_ARGUMENT', field: 'logitBias.values' },
  ],
];

describe('submit', () => {
  test.each(refusals)('refuses %s and takes no block', async (_name, tokens, changes, error) => {
    const engine = arithmeticEngine({ numBlocks: 11, blockSize: 8, contextLen: 128 });
    await expect(engine.client.run(tokens, changes)).rejects.toMatchObject(error);
    expect(engine.core.stats()).toMatchObject({ numWaiting: 0, cache: { numFree: 10 } });
    await engine.core.close();
  });

  test('takes a prompt that leaves room for one token, and a sequence as large as the pool', async () => {
    const { client } = arithmeticEngine({ numBlocks: 17, blockSize: 8, contextLen: 128 });
    const whole = randomTokens(randomFrom(3), 127, 97);
    expect((await client.runOne(whole)).tokens).toHaveLength(1);
    expect((await client.runOne(prompt, { maxTokens: 119 })).tokens).toHaveLength(119);
  });

  test('refuses an id that an open request has', async () => {
    const { client } = arithmeticEngine({ numBlocks: 11, blockSize: 8 });
    const first = client.run(prompt, { id: 1 });
    client.core.submit({
      id: 1,
      promptTokens: Int32Array.from(prompt),
      maxTokens: 1,
      sampling: greedy,
      stopTokenIds: [],
    });
    await expect(first).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'id' });
  });

  test('refuses what the queue cannot hold, and says how many wait', async () => {
    const { client } = arithmeticEngine({ numBlocks: 64, blockSize: 8, engine: { maxQueue: 2 } });
    const accepted = [client.run(prompt), client.run(prompt)];
    await expect(client.run(prompt)).rejects.toMatchObject({
      name: 'QueueFullError',
      code: 'ERR_QUEUE_FULL',
      numWaiting: 2,
      maxQueue: 2,
    });
    await Promise.all(accepted);
    await expect(client.run(prompt)).resolves.toHaveLength(1);
  });

  test('after close is refused', async () => {
    const { client, core } = arithmeticEngine({ numBlocks: 11, blockSize: 8 });
    await core.close();
    await expect(client.run(prompt)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await expect(client.run(prompt)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });
});

describe('EngineCore', () => {
  const build = (options: object) => () => {
    const executor = new ArithmeticExecutor({ numBlocks: 8, blockSize: 8 });
    const model = { vocabSize: 97, contextLen: 64, eosTokenIds: [] };
    return new EngineCore({ executor, model, kv: { numBlocks: 8, blockSize: 8 }, ...options });
  };

  test.each([
    ['a block size that is no power of two', { kv: { numBlocks: 8, blockSize: 12 } }, 'blockSize'],
    ['a block size below 8', { kv: { numBlocks: 8, blockSize: 4 } }, 'blockSize'],
    ['a block size past 256', { kv: { numBlocks: 8, blockSize: 512 } }, 'blockSize'],
    ['a pool without a block', { kv: { numBlocks: 1, blockSize: 8 } }, 'numBlocks'],
    ['more sequences than the executor holds', { maxSeqs: 9 }, 'maxSeqs'],
    ['no sequence', { maxSeqs: 0 }, 'maxSeqs'],
    ['steps smaller than the sequences', { maxTokensPerStep: 7 }, 'maxTokensPerStep'],
    ['chunks of nothing', { maxChunkTokens: 0 }, 'maxChunkTokens'],
    ['a queue of nothing', { maxQueue: 0 }, 'maxQueue'],
    ['a part of the queue past the whole', { maxQueue: 4, maxQueuePerSalt: 5 }, 'maxQueuePerSalt'],
    ['no part of the queue', { maxQueuePerSalt: 0 }, 'maxQueuePerSalt'],
    ['no sequence of a salt', { maxSeqsPerSalt: 0 }, 'maxSeqsPerSalt'],
    ['more sequences of a salt than of all', { maxSeqsPerSalt: 9 }, 'maxSeqsPerSalt'],
    ['ageing in no time', { priorityAgeingMs: 0 }, 'priorityAgeingMs'],
    ['ageing in a time that is no number', { priorityAgeingMs: Number.NaN }, 'priorityAgeingMs'],
  ])('refuses %s', (_name, options, field) => {
    expect(build(options)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field }),
    );
  });
});
