import type { Llm, Prefix } from '../../dist/llm/index.js';
import { closeAll, freshStats, openArithmeticLlm } from './arithmetic-llm.js';
import { some, user } from './messages.js';

afterAll(closeAll);

describe('bad input', () => {
  const cases: [string, (llm: Llm) => PromiseLike<unknown>, object][] = [
    ['an empty prompt', (llm) => llm.generate(''), { code: 'ERR_EMPTY_PROMPT' }],
    ['no tokens', (llm) => llm.generate([]), { code: 'ERR_EMPTY_PROMPT' }],
    ['no messages', (llm) => llm.chat([]), { code: 'ERR_INVALID_ARGUMENT', field: 'messages' }],
    ['a token id that is no integer', (llm) => llm.generate([1, 2.5]), { field: 'prompt[1]' }],
    [
      'a token id past the vocabulary',
      (llm) => llm.generate([1, 99999]),
      { code: 'ERR_TOKEN_OUT_OF_RANGE' },
    ],
    [
      'a prompt that fills the context',
      (llm) => llm.generate('a '.repeat(600)),
      { code: 'ERR_PROMPT_TOO_LONG' },
    ],
    [
      'a temperature of NaN',
      (llm) => llm.generate('a', { temperature: Number.NaN }),
      { field: 'temperature' },
    ],
    ['a topP of 2', (llm) => llm.generate('a', { topP: 2 }), { field: 'topP' }],
    ['maxTokens of 0', (llm) => llm.generate('a', { maxTokens: 0 }), { field: 'maxTokens' }],
    ['n of 1.5', (llm) => llm.generate('a', { n: 1.5 }), { field: 'n' }],
    ['more choices than may run', (llm) => llm.generate('a', { n: 9 }), { field: 'n' }],
    ['a negative seed', (llm) => llm.generate('a', { seed: -1 }), { field: 'seed' }],
    ['an empty salt', (llm) => llm.generate('a', { salt: '' }), { field: 'salt' }],
    ['an empty stop text', (llm) => llm.generate('a', { stop: ['x', ''] }), { field: 'stop[1]' }],
    [
      'a bias that is no number',
      (llm) => llm.generate('a', { logitBias: { 3: Number.NaN } }),
      { field: 'logitBias[3]' },
    ],
    [
      'a bias of no token',
      (llm) => llm.generate('a', { logitBias: { [-3]: 1 } }),
      { field: 'logitBias' },
    ],
    [
      'a signal that is none',
      (llm) => llm.generate('a', { signal: {} as AbortSignal }),
      { field: 'signal' },
    ],
    [
      'a prefix that is none',
      (llm) => llm.generate('a', { prefix: {} as Prefix }),
      { field: 'prefix' },
    ],
    [
      'a misspelt option',
      (llm) => llm.generate('a', { temprature: 1 } as object),
      { field: 'options.temprature' },
    ],
    [
      'a chat option of generate()',
      (llm) => llm.generate('a', { tools: [] } as object),
      { field: 'options.tools' },
    ],
    [
      'tools that are none',
      (llm) => llm.chat([user('x')], { tools: [{}] as never }),
      { field: 'tools[0]' },
    ],
  ];

  let llm: Llm;

  beforeAll(async () => {
    llm = await openArithmeticLlm();
  });

  test.each(cases)('refuses %s and takes no block', async (_, call, expected) => {
    await expect(call(llm)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', ...expected });
    expect(await freshStats(llm)).toMatchObject({
      numRunning: 0,
      numWaiting: 0,
      cache: { numLive: 0 },
    });
  });

  test('refuses a request that the whole pool cannot hold', async () => {
    const llm = await openArithmeticLlm({ numBlocks: 5 });
    const prompt = 'The vault code of Amber';
    await expect(llm.generate(prompt, { maxTokens: 100 })).rejects.toMatchObject({
      code: 'ERR_POOL_TOO_SMALL',
    });
    expect((await llm.generate(prompt, some)).tokenIds).toHaveLength(20);
  });

  test('refuses what the queue cannot hold', async () => {
    const llm = await openArithmeticLlm({ maxSeqs: 1, maxQueue: 1 });
    const requests = Array.from({ length: 4 }, (_, i) => llm.generate([i + 1], some));
    const results = await Promise.allSettled(requests);
    expect(results.filter(({ status }) => status === 'rejected')).not.toEqual([]);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason.code).toBe('ERR_QUEUE_FULL');
    }
  });
});
