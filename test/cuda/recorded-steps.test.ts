/** @jest-environment ./test/setup/emulated-gpu-environment.mjs */
// Decode steps are recorded per number of rows and replayed. How often is counted by letting the n-th
// replay fail; that it changes no answer, by the logits.
import { DeviceEngine, tinyCheckpoint } from '../engine/device-engine.js';
import { greedy, type SampleResult } from '../engine/harness.js';
import { randomConfig, temporaryCheckpoint } from '../model/random-checkpoint.js';
import { deterministic, resetEmulatedGpu, setEmulatedGpu } from './emulated-gpu.js';
import { Engines } from './engines.js';

const engines = new Engines(tinyCheckpoint({ dtype: 'f16', group: 4, headDim: 64 }), 32);
const promptOf = (length: number) => engines.promptOf(length);
const graphLaunch = { code: 'ERR_CUDA', call: 'cuGraphLaunch', cudaCode: 1 };
afterEach(async () => {
  await engines.closeAll();
  resetEmulatedGpu();
});
afterAll(() => engines.end());

/** Expects each answer to be that of its prompt alone. */
async function expectAllAsAlone(prompts: number[][], results: SampleResult[]): Promise<void> {
  for (const [i, prompt] of prompts.entries()) await engines.expectAsAlone(prompt, results[i]);
}

describe('one sequence', () => {
  const maxTokens = 8;

  test.each([1, 2, 6])('has its step %i after the first one replayed', async (n) => {
    const { client } = await engines.openFailing(['cuGraphLaunch', n, 'invalidValue']);
    const failing = client.runOne(promptOf(9), { maxTokens });
    await expect(failing).rejects.toMatchObject(graphLaunch);
    // One token comes from the prompt, one from the step that ran as it is.
    expect(client.samples.get(1)![0].tokens).toHaveLength(2 + n - 1);
  });

  test('has no more replays than those', async () => {
    const { client } = await engines.openFailing(['cuGraphLaunch', maxTokens - 1, 'invalidValue']);
    const { tokens } = await client.runOne(promptOf(9), { maxTokens });
    expect(tokens).toHaveLength(maxTokens);
    const failing = client.runOne(promptOf(9), { maxTokens });
    await expect(failing).rejects.toMatchObject(graphLaunch);
  });

  test('is answered right after a replay that failed', async () => {
    const { client, core } = await engines.openFailing(['cuGraphLaunch', 3, 'invalidValue']);
    const prompt = promptOf(20);
    await expect(client.run(prompt, { maxTokens })).rejects.toMatchObject(graphLaunch);
    expect(core.stats().cache.numLive).toBe(0);
    const again = await client.runOne(prompt, { maxTokens });
    await engines.expectAsAlone(prompt, again);
  });
});

describe('a recording that fails', () => {
  test.each([
    ['cuStreamBeginCapture_v2', 'invalidValue', 'ERR_CUDA'],
    ['cuStreamEndCapture', 'captureInvalidated', 'ERR_CUDA'],
    ['cuGraphInstantiateWithFlags', 'outOfMemory', 'ERR_OUT_OF_MEMORY'],
  ] as const)(
    'in %s with %s fails the request, and the next one is recorded',
    async (call, result, code) => {
      const { client, core } = await engines.openFailing([call, 1, result]);
      const prompt = promptOf(20);
      await expect(client.run(prompt, { maxTokens: 6 })).rejects.toMatchObject({ code });
      expect(core.stats()).toMatchObject({ numRunning: 0, cache: { numLive: 0 } });
      await engines.expectAsAlone(prompt, await client.runOne(prompt, { maxTokens: 6 }));
    },
  );
});

describe('sequences that end one by one', () => {
  const lengths = [3, 5, 7, 9, 11];
  // Steps with 5, 4, 3, 2 rows and 1, two of each; 5 run as 8, and 3 as 4.
  const numReplays = 1 + 3 + 1 + 1;
  const run = async ({ client }: DeviceEngine, prompts: number[][]) =>
    Promise.all(prompts.map((prompt, i) => client.runOne(prompt, { maxTokens: lengths[i] })));

  test('are replayed by the smallest recording that holds them, and answered as alone', async () => {
    const rows: number[] = [];
    const engine = await engines.openFailing(['cuGraphLaunch', numReplays + 1, 'invalidValue'], {
      onSubmit: ({ numTokens }) => rows.push(numTokens),
    });
    const prompts = lengths.map(() => promptOf(6));
    const results = await run(engine, prompts);
    expect(rows).toEqual([30, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1]);
    await engines.closeAll();
    await expectAllAsAlone(prompts, results);
  });

  test('take so many replays and no fewer', async () => {
    const engine = await engines.openFailing(['cuGraphLaunch', numReplays, 'invalidValue']);
    const prompts = lengths.map(() => promptOf(6));
    await expect(run(engine, prompts)).rejects.toMatchObject(graphLaunch);
    expect(engine.client.samples.get(5)![0].tokens).toHaveLength(10);
  });

  test('and grow again take the recordings that are there', async () => {
    const engine = await engines.open();
    for (let round = 0; round < 2; round++) {
      const prompts = lengths.map(() => promptOf(6));
      await expectAllAsAlone(prompts, await run(engine, prompts));
    }
  });

  test('are padded no further than the engine has rows', async () => {
    const { client } = await engines.open({ maxSeqs: 3 });
    const prompts = [promptOf(5), promptOf(17), promptOf(8)];
    const runs = prompts.map((prompt) => client.runOne(prompt, { maxTokens: 9 }));
    await expectAllAsAlone(prompts, await Promise.all(runs));
  });
});

describe('recorded steps', () => {
  test('are left and taken up again around the prompt of a newcomer', async () => {
    const { client } = await engines.open();
    const prompts = [promptOf(12), promptOf(30)];
    const first = client.runOne(prompts[0], { maxTokens: 14 });
    let second: Promise<SampleResult> | undefined;
    client.afterEvents = () => {
      if (client.samples.get(1)![0].tokens.length < 6) return;
      second ??= client.runOne(prompts[1], { maxTokens: 5 });
    };
    const results = [await first, await second!];
    await expectAllAsAlone(prompts, results);
  });

  test('give what they gave when all work of the GPU comes late', async () => {
    setEmulatedGpu({ PA_EMULATED_DELAY_US: '400' });
    const { client } = await engines.open({ numBlocks: 13, blockSize: 8 });
    const prompts = Array.from({ length: 4 }, () => promptOf(14));
    const sampling = { ...greedy, temperature: 1, presencePenalty: 0.5 };
    const runs = prompts.map((prompt) => client.runOne(prompt, { maxTokens: 30, sampling }));
    const results = await Promise.all(runs);
    for (const [i, prompt] of prompts.entries()) {
      await engines.expectAsAlone(prompt, results[i], sampling);
    }
  });

  test('of two engines on one GPU stay apart', async () => {
    const both = [await engines.open(), await engines.open({ blockSize: 32 })];
    const prompts = [promptOf(20), promptOf(28)];
    const runs = both.map(({ client }, i) => client.runOne(prompts[i], { maxTokens: 9 }));
    await expectAllAsAlone(prompts, await Promise.all(runs));
  });

  test('at a short context serve one that is merged from parts', async () => {
    const config = randomConfig({ num_attention_heads: 2, num_key_value_heads: 1 });
    const { folder, remove } = temporaryCheckpoint({ config, dtype: 'bf16' });
    const prompt = promptOf(1030).map((id) => id % 256);
    const answers: SampleResult[] = [];
    for (const numBefore of [0, 5]) {
      const pool = { numBlocks: 40, blockSize: 32 };
      const engine = await DeviceEngine.open({ folder, on: deterministic, ...pool });
      if (numBefore > 0) await engine.client.run([1, 2, 3], { maxTokens: numBefore });
      answers.push(await engine.client.runOne(prompt, { maxTokens: 2 }));
      await engine.close();
    }
    expect(answers[1].digests).toEqual(answers[0].digests);
    remove();
  });
});
