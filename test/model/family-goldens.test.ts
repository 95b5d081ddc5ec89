// Every family of checkpoints against transformers: logits, greedy replies, and the same after hits.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Device } from '../../lib/device/index.js';
import { architectures, loadModel } from '../../lib/model/index.js';
import { DeviceEngine } from '../engine/device-engine.js';
import type { SampleResult } from '../engine/harness.js';
import { transformersLogits } from '../tolerances.js';
import { type FamilyCase, familyNames, readFamily, signOf } from './family-cases.js';
import { relativeError } from './golden-cases.js';
import { promptLogits } from './prompt-logits.js';
import { writeRandomCheckpoint } from './random-checkpoint.js';

const blockSize = 16;
/** A stranger shares this many tokens with the prompt: 12 blocks, and 11 tokens of the next one. */
const sharedLen = 203;
const folder = mkdtempSync(join(tmpdir(), 'paged-attention-family-'));
const counts = { cold: 0, chunked: 0, hits: 0, partialHits: 0 };

const families = familyNames.map((name) => {
  const family = readFamily(name);
  const checkpoint = join(folder, name);
  writeRandomCheckpoint(checkpoint, { config: family.config, seed: family.seed });
  return { name, family, checkpoint };
});

afterAll(() => {
  console.info(`${families.length} families: ${JSON.stringify(counts)}`);
  rmSync(folder, { recursive: true });
});

/** Largest relative error of the rows that the golden file has whole. */
function worstOf(logits: readonly Float32Array[], { rows, logits: expected }: FamilyCase): number {
  const errors = rows.map((row, i) => relativeError(logits[row], expected[i]));
  return errors.reduce((worst, error) => (error <= worst ? worst : error), 0);
}

describe('logits for prompts of 1 to 600 tokens', () => {
  let device: Device;
  beforeAll(() => {
    device = Device.open({ backend: 'cpu', threads: 2 });
  });
  afterAll(() => device.close());

  test.each(families)('are those of transformers in f32: $name', async ({ family, checkpoint }) => {
    const model = await loadModel(device, checkpoint, { contextLen: family.contextLen });
    const { logits } = await promptLogits(device, model, family.promptTokens);
    model.free();
    expect(worstOf(logits, family)).toBeLessThan(transformersLogits);
    for (const [row, values] of logits.entries()) {
      const norm = Math.hypot(...values);
      const sum = values.reduce((total, value, token) => total + signOf(token) * value, 0);
      const limit = transformersLogits * family.norms[row];
      expect(Math.abs(norm - family.norms[row])).toBeLessThan(limit);
      expect(Math.abs(sum - family.signedSums[row])).toBeLessThan(limit * Math.sqrt(384));
    }
  });

  test.each(families)(
    'err at most twice as much in bf16 as transformers does: $name',
    async ({ family, checkpoint }) => {
      const options = { dtype: 'bf16', contextLen: family.contextLen } as const;
      const model = await loadModel(device, checkpoint, options);
      const { logits } = await promptLogits(device, model, family.promptTokens);
      model.free();
      const worst = worstOf(logits, family);
      console.info(`${family.name} in bf16: ${worst.toFixed(4)}, transformers ${family.bf16Error}`);
      expect(worst).toBeLessThan(2 * family.bf16Error);
    },
  );
});

describe('a greedy reply of 64 tokens is that of transformers', () => {
  test.each(families)(
    'cold, chunked, after a hit and after a partial hit: $name',
    async ({ family, checkpoint }) => {
      const { promptTokens, contextLen } = family;
      const open = (maxChunkTokens: number) =>
        DeviceEngine.open({
          ...{ folder: checkpoint, contextLen, threads: 2, blockSize, numBlocks: 110 },
          maxTokens: 640,
          checks: false,
          engine: { maxChunkTokens, maxStepMs: 1e9, maxPrefillStepMs: 1e9 },
        });
      const whole = await open(640);
      const chunked = await open(61);
      try {
        const ask = ({ client }: DeviceEngine, salt: string) =>
          client.runOne(promptTokens, { maxTokens: 64, salt });
        const cold = await ask(whole, 'one');
        expect(cold.tokens).toEqual(family.greedyTokens);
        expect(cold.finished!.usage).toMatchObject({ cachedTokens: 0, computedTokens: 600 });
        const isSame = (other: SampleResult) => {
          expect(other.tokens).toEqual(cold.tokens);
          expect(other.digests).toEqual(cold.digests);
        };
        counts.cold++;

        const inChunks = await ask(chunked, 'one');
        isSame(inChunks);
        expect(chunked.core.stats().numSteps).toBeGreaterThan(whole.core.stats().numSteps);
        counts.chunked++;

        const hit = await ask(whole, 'one');
        isSame(hit);
        expect(hit.finished!.usage).toMatchObject({ cachedTokens: 599, computedTokens: 1 });
        counts.hits++;

        const stranger = promptTokens.map((id, i) => (i < sharedLen ? id : (id % 381) + 3));
        await whole.client.runOne(stranger.slice(0, 400), { salt: 'two' });
        const partial = await ask(whole, 'two');
        isSame(partial);
        const usage = { cachedTokens: sharedLen, copiedTokens: sharedLen % blockSize };
        expect(partial.finished!.usage).toMatchObject(usage);
        counts.partialHits++;
      } finally {
        await whole.close();
        await chunked.close();
      }
    },
  );

  test('for every architecture of the table', () => {
    const named = new Set(
      families.flatMap(({ family }) => family.config.architectures as string[]),
    );
    const withOwnCase = Object.keys(architectures).filter((name) => name !== 'SmolLM3ForCausalLM');
    expect([...named].sort()).toEqual(withOwnCase.sort());
    expect(counts).toEqual({
      cold: families.length,
      chunked: families.length,
      hits: families.length,
      partialHits: families.length,
    });
  });
});
