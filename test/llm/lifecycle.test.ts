// How models begin and end: beside each other, in the middle of work, without memory, with callers that misbehave.
import { spawn } from 'node:child_process';
import { Device } from '../../dist/device/index.js';
import { type Llm, load } from '../../dist/index.js';
import { extentOfThisRun } from '../conformance/extent.js';
import { closeAll, freshStats, openArithmeticLlm } from './arithmetic-llm.js';
import { facts, some, user } from './messages.js';

const isFull = extentOfThisRun() !== 'cover';
const numExits = isFull ? 100 : 4;
const numTerminations = isFull ? 500 : 6;
const minutes = 60_000;

interface Ended {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs a script of `children/`; one that has not ended after `deadlineMs` is killed, which its signal shows. */
function runChild(name: string, parameters: unknown[], deadlineMs = minutes / 2): Promise<Ended> {
  const file = `test/llm/children/${name}.mjs`;
  const child = spawn(process.execPath, ['--expose-gc', file, ...parameters.map(String)], {
    timeout: deadlineMs,
    killSignal: 'SIGKILL',
  });
  const text = { output: '', errors: '' };
  child.stdout.on('data', (data) => {
    text.output += data;
  });
  child.stderr.on('data', (data) => {
    text.errors += data;
  });
  return new Promise((resolve) => {
    child.on('close', (exitCode, signal) => resolve({ exitCode, signal, ...text }));
  });
}

/** What models hold of this process; handles that nobody freed are the collector's, and hold no memory. */
function held() {
  const { devices, programs, jobs, mappedFiles, bytes } = Device.liveObjects();
  return { devices, programs, jobs, mappedFiles, bytes };
}

describe.each([false, true])('with worker: %s', (worker) => {
  test(
    `process.exit(7) in the middle of steps ends with 7, ${numExits / 2} times`,
    async () => {
      for (let round = 0; round < numExits / 2; round++) {
        const ended = await runChild('exit-busy', [(round * 7.3) % 40, worker]);
        expect(ended).toEqual({ exitCode: 7, signal: null, output: '', errors: '' });
      }
    },
    10 * minutes,
  );

  test('a callback that throws ends its own request and no other', async () => {
    const { exitCode, output, errors } = await runChild('listeners', [worker]);
    expect(errors).toBe('');
    expect(output.split('\n').slice(0, 5)).toEqual([
      'rejected gone',
      'fulfilled 60',
      'rejected a reader',
      'rejected one who awaits',
      'a listener of the signal',
    ]);
    expect(exitCode).toBe(0);
  });

  test('streams that nobody reads end by themselves and leave nothing', async () => {
    const { output, errors } = await runChild('unread', [worker]);
    expect(errors).toBe('');
    expect(output).toBe('20 true 0\n');
  });

  test('models live beside each other, are closed twice, while busy, and while another one loads', async () => {
    const before = held();
    const llms = await Promise.all([1, 2, 3].map(() => load('recall', { worker })));
    const question = { maxTokens: 30, ignoreEos: true, digests: true } as const;
    const replies = await Promise.all(llms.map((llm) => llm.generate('Who?', question)));
    for (const { digests } of replies) expect(digests).toEqual(replies[0].digests);

    const loading = load('recall', { worker });
    const drained = llms[0].generate('drained', question);
    const aborted = llms[1].generate('aborted', { maxTokens: 3000, ignoreEos: true });
    await aborted[Symbol.asyncIterator]().next();
    const closing = [llms[0].close(), llms[1].close('abort'), llms[0].close(), llms[1].close()];
    expect((await drained).tokenIds).toHaveLength(30);
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await Promise.all(closing);

    const late = await loading;
    expect((await late.generate('Who?', question)).digests).toEqual(replies[0].digests);
    await Promise.all([llms[2], late].map((llm) => llm.close()));
    expect(held()).toEqual(before);
  });

  test('out of memory at load is a typed error, and nothing stays taken', async () => {
    const before = held();
    const blockBytes = await load('recall', { worker }).then(async (llm) => {
      await llm.close();
      return llm.info.kvBlockBytes;
    });
    const refused = load('recall', { worker, kvCacheBytes: 100_000_000 * blockBytes });
    await expect(refused).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY', name: 'EngineError' });
    expect(held()).toEqual(before);
  });
});

test(
  `Workers terminated at random moments leave nothing behind, ${numTerminations} times`,
  async () => {
    const seed = Number(process.env.PA_SEED ?? 1);
    const ended = await runChild('terminate-busy', [numTerminations, seed], 10 * minutes);
    expect(ended).toEqual({ exitCode: 0, signal: null, output: 'true 0,0,0,0,0,0\n', errors: '' });
  },
  20 * minutes,
);

describe('a pool without room', () => {
  let llm: Llm;
  afterEach(closeAll);

  test('refuses what would wait forever with a typed error, and serves it when there is room', async () => {
    llm = await openArithmeticLlm({ numBlocks: 31, contextLen: 236 });
    const { pin } = await llm.prewarm({ prompt: Array.from({ length: 90 }, (_, i) => i) });
    const prompt = Array.from({ length: 180 }, (_, i) => 90 - (i % 90));
    const long = llm.generate(prompt, { maxTokens: 4 });
    await expect(long).rejects.toMatchObject({ code: 'ERR_OUT_OF_BLOCKS', numNeeded: 23 });
    expect((await llm.chat([facts, user('x')], some)).tokenIds).toHaveLength(20);
    expect((await freshStats(llm)).cache).toMatchObject({ numLive: 0, numPinned: 12 });
    await llm.unpin(pin!);
    expect((await llm.generate(prompt, { ...some, maxTokens: 4 })).tokenIds).toHaveLength(4);
  });
});
