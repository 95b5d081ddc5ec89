// The engine in a Worker: what is particular to it. That all else is the same, worker-suites.test.ts shows.
import { type Llm, load } from '../../dist/index.js';
import { vocabSize } from '../text/tiny-tokenizer.js';
import { openRemoteEngine } from './arithmetic-engine.js';
import { makeLlm } from './arithmetic-llm.js';
import { system, user } from './messages.js';

const facts = system('The vault code of Amber is 4217. Omar lives in Lisbon.');
const questions = ['What is the vault code of Amber?', 'Where does Omar live?'];
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A model over an arithmetic engine in a Worker, and the Worker. */
async function openWithWorker({ steps }: { steps?: Int32Array } = {}) {
  const contextLen = 6000;
  const numBlocks = 1600;
  const { core, worker } = await openRemoteEngine({
    executor: { numBlocks, blockSize: 8, maxSeqs: 4, maxTokens: 128, vocabSize: vocabSize() },
    model: { vocabSize: vocabSize(), contextLen, eosTokenIds: [] },
    kv: { numBlocks, blockSize: 8 },
    maxQueue: 4,
    ...{ steps },
  });
  return { llm: await makeLlm(core, { contextLen, blockSize: 8 }), worker };
}

describe('the recall model in a Worker', () => {
  let llm: Llm;
  let inline: Llm;

  beforeAll(async () => {
    [llm, inline] = await Promise.all([load('recall', { worker: true }), load('recall')]);
  });
  afterAll(() => Promise.all([llm.close(), inline.close()]));

  test('gives the same text and logits as in the calling thread', async () => {
    expect(llm.info).toEqual(inline.info);
    for (const question of questions) {
      const [one, other] = await Promise.all(
        [llm, inline].map((model) => model.chat([facts, user(question)], { digests: true })),
      );
      expect(one.text).toBe(other.text);
      expect(one.digests).toEqual(other.digests);
      expect(one.usage.cachedTokens).toBe(other.usage.cachedTokens);
    }
    expect(llm.stats().cache).toEqual(inline.stats().cache);
  });
});

describe('a blocked host', () => {
  test('does not keep the engine from its next hundred steps', async () => {
    const steps = new Int32Array(new SharedArrayBuffer(4));
    const { llm } = await openWithWorker({ steps });
    const generation = llm.generate('x', { maxTokens: 5000, ignoreEos: true });
    await generation[Symbol.asyncIterator]().next();
    for (let round = 0; round < 3; round++) {
      const end = steps[0] + 100;
      while (steps[0] < end) Atomics.wait(steps, 0, steps[0]); // would wait forever for itself
      const before = generation.tokenIds.length;
      await turn();
      expect(generation.tokenIds.length - before).toBeGreaterThan(50);
    }
    generation.abort('enough');
    await llm.close('abort');
  });
});

describe('errors', () => {
  test('arrive typed, with their fields', async () => {
    const { llm } = await openWithWorker();
    const long = { maxTokens: 5000, ignoreEos: true };
    const start = () => Array.from({ length: 4 }, (_, i) => llm.generate([i + 1], long));
    const running = start();
    for (const request of running) await request[Symbol.asyncIterator]().next();
    const waiting = start();
    await llm.blockMap({ maxBlocks: 1 });
    await expect(llm.generate('x', { topP: 2 })).rejects.toMatchObject({
      name: 'InvalidArgumentError',
      field: 'topP',
      value: 2,
    });
    await expect(llm.generate('x')).rejects.toMatchObject({
      name: 'QueueFullError',
      code: 'ERR_QUEUE_FULL',
      maxQueue: 4,
      numWaiting: 4,
      limitedBy: 'maxQueue',
      retryAfterMs: expect.any(Number),
    });
    const missing = llm.blockMap({ start: 0 });
    await expect(missing).rejects.toMatchObject({ name: 'InvalidArgumentError', field: 'start' });
    await expect(llm.trace()).rejects.toMatchObject({
      code: 'ERR_TRACE_OFF',
      hint: expect.stringContaining('maxTraceEvents'),
    });
    await expect(llm.invalidate(undefined as never)).rejects.toMatchObject({ field: 'target' });
    await llm.close('abort');
    for (const request of [...running, ...waiting])
      await expect(request).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  test('of loading arrive typed, and the Worker is gone', async () => {
    const refused = load('recall', { worker: true, kvCacheBytes: 4096 });
    await expect(refused).rejects.toMatchObject({
      name: 'EngineError',
      code: 'ERR_POOL_TOO_SMALL',
      hint: expect.stringContaining('kvCacheBytes'),
    });
    const misused = load('recall', { worker: 1 as never });
    await expect(misused).rejects.toMatchObject({ field: 'worker' });
  });

  test('of a callback and of a signal end the loading', async () => {
    const error = new Error('no more progress');
    const onProgress = () => {
      throw error;
    };
    await expect(load('recall', { worker: true, onProgress })).rejects.toBe(error);
    const controller = new AbortController();
    const loading = load('recall', { worker: true, signal: controller.signal });
    setImmediate(() => controller.abort('changed my mind'));
    await expect(loading).rejects.toBe('changed my mind');
  });
});

describe('a Worker that crashes', () => {
  test.each(['throws', 'is terminated'])(
    'and %s fails all that waits for it, and later calls',
    async (how) => {
      const { llm, worker } = await openWithWorker();
      const long = { maxTokens: 5000, ignoreEos: true };
      const requests = [
        llm.generate('x', { ...long, n: 2, temperature: 1 }),
        llm.generate('y', long),
      ];
      await requests[1][Symbol.asyncIterator]().next();
      const fork = llm.fork(requests[1]);
      await fork[Symbol.asyncIterator]().next();
      if (how === 'throws') worker.postMessage('crash');
      else void worker.terminate();
      const typed = { code: 'ERR_ENGINE_WORKER', name: 'EngineError' };
      for (const request of [...requests, fork]) await expect(request).rejects.toMatchObject(typed);
      expect(requests[1].text.length).toBeGreaterThan(0);
      await expect(llm.invalidate({ all: true })).rejects.toMatchObject(typed);
      await expect(llm.generate('z')).rejects.toMatchObject(typed);
      expect(() => llm.stats()).toThrow(expect.objectContaining(typed));
      await llm.close();
    },
  );
});
