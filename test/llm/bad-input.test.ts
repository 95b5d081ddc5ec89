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
    [
      'tools in an object',
      (llm) => llm.chat([user('x')], { tools: {} as never }),
      { field: 'tools' },
    ],
    ['a message that is null', (llm) => llm.chat([null as never]), { field: 'messages[0]' }],
    ['one message that stands alone', (llm) => llm.chat(user('x') as never), { field: 'messages' }],
    ['a prompt in an object', (llm) => llm.generate({ prompt: 'x' } as never), { field: 'prompt' }],
    [
      'an ignoreEos that is a text',
      (llm) => llm.generate('a', { ignoreEos: 'no' as never }),
      { field: 'ignoreEos', value: 'no' },
    ],
    [
      'a keepPrefix that is a number',
      (llm) => llm.generate('a', { keepPrefix: 1 as never }),
      { field: 'keepPrefix' },
    ],
    [
      'logprobs of true',
      (llm) => llm.generate('a', { logprobs: true as never }),
      { field: 'logprobs', value: true },
    ],
    [
      'a tag that is a number',
      (llm) => llm.generate('a', { tag: 5 as never, keepPrefix: true }),
      { field: 'tag' },
    ],
    [
      'a tag of what nothing holds',
      (llm) => llm.generate('a', { tag: 'page' }),
      { field: 'tag', limit: 'to come with keepPrefix or retainMs' },
    ],
    [
      'template variables in a text',
      (llm) => llm.chat([user('x')], { templateVariables: 'x' as never }),
      { field: 'templateVariables' },
    ],
    [
      'a response format in a text',
      (llm) => llm.generate('a', { responseFormat: 'json' as never }),
      { field: 'responseFormat', value: 'json' },
    ],
    [
      'a message that holds itself',
      (llm) => {
        const message: Record<string, unknown> = { ...user('x') };
        message.self = message;
        return llm.chat([user('x'), message as never]);
      },
      { field: 'messages[1]' },
    ],
    [
      'a null among many messages',
      (llm) => llm.chat([...Array.from({ length: 20 }, () => user('x')), null as never]),
      { field: 'messages[20]', value: null },
    ],
    [
      'a schema that JSON cannot hold',
      (llm) =>
        llm.generate('a', { responseFormat: { type: 'json_schema', schema: { const: 5n } } }),
      { field: 'responseFormat.schema' },
    ],
    [
      'a continueFinalMessage that is a text',
      (llm) => llm.chat([user('x')], { continueFinalMessage: 'no' as never }),
      { field: 'continueFinalMessage', value: 'no' },
    ],
    ['nothing to pin', (llm) => llm.pin(undefined as never), { field: 'spec' }],
    ['a text to prewarm', (llm) => llm.prewarm('x' as never), { field: 'spec', value: 'x' }],
    ['messages to explain', (llm) => llm.explain([user('x')] as never), { field: 'spec' }],
    [
      'a misspelt option of explain()',
      (llm) => llm.explain({ prompt: 'x' }, { slat: 'x' } as object),
      { field: 'options.slat' },
    ],
    ['a pin that is none', (llm) => llm.unpin(3 as never), { field: 'pin', value: 3 }],
    ['a block map of 5', (llm) => llm.blockMap(5 as never), { field: 'options', value: 5 }],
    ['to close otherwise', (llm) => llm.close('now' as never), { field: 'mode', value: 'now' }],
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

  test('says what it was given instead of messages', async () => {
    const given = "messages is { role: 'user', content: 'x' }; expected an array";
    await expect(llm.chat(user('x') as never)).rejects.toThrow(given);
    await expect(llm.chat([])).rejects.toThrow('messages is []; expected an array');
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
