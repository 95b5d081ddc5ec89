import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSamplingDefaults, samplingOf } from '../../lib/llm/sampling.js';

const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** A folder whose generation_config.json has this text. */
function folderWith(json: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'paged-attention-sampling-'));
  folders.push(folder);
  writeFileSync(join(folder, 'generation_config.json'), json);
  return folder;
}

const greedy = await readSamplingDefaults('/nowhere');

describe('readSamplingDefaults', () => {
  test('is greedy without generation_config.json', () => {
    expect(greedy).toMatchObject({ temperature: 0, topK: 0, topP: 1, minP: 0 });
  });

  test('takes what a checkpoint samples with', async () => {
    const json = '{"do_sample": true, "temperature": 0.7, "top_k": 20, "top_p": 0.8}';
    expect(await readSamplingDefaults(folderWith(json))).toEqual({
      ...greedy,
      temperature: 0.7,
      topK: 20,
      topP: 0.8,
    });
  });

  test('samples at temperature 1 when a checkpoint only says that it samples', async () => {
    const defaults = await readSamplingDefaults(folderWith('{"do_sample": true}'));
    expect(defaults.temperature).toBe(1);
  });

  test('stays greedy when a checkpoint does not say that it samples', async () => {
    const json = '{"temperature": 0.7, "repetition_penalty": 1.1}';
    expect(await readSamplingDefaults(folderWith(json))).toEqual({
      ...greedy,
      repetitionPenalty: 1.1,
    });
  });

  test.each(['{', '7', 'null'])('refuses a file that says %s', async (json) => {
    await expect(readSamplingDefaults(folderWith(json))).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
    });
  });
});

describe('samplingOf', () => {
  test('lets options go before the defaults', () => {
    const sampling = samplingOf({ temperature: 0, topP: 0.5, seed: 7 }, { ...greedy, topK: 3 });
    expect(sampling).toEqual({ ...greedy, topK: 3, topP: 0.5, seed: 7n });
  });

  test('draws another seed for each request that names none', () => {
    const seeds = Array.from({ length: 100 }, () => samplingOf({}, greedy).seed);
    expect(new Set(seeds).size).toBe(100);
  });

  test.each([0, 2 ** 53 - 1, 0n, (1n << 64n) - 1n])('takes the seed %s', (seed) => {
    expect(samplingOf({ seed }, greedy).seed).toBe(BigInt(seed));
  });

  test.each([-1, 1.5, 2 ** 53, 1n << 64n, Number.NaN, '1'])('refuses the seed %s', (seed) => {
    expect(() => samplingOf({ seed: seed as number }, greedy)).toThrow(
      expect.objectContaining({ field: 'seed' }),
    );
  });

  test('turns a bias by token id into arrays', () => {
    const { logitBias } = samplingOf({ logitBias: { 5: -1, 300: 2 } }, greedy);
    expect([...(logitBias?.ids ?? [])]).toEqual([5, 300]);
    expect([...(logitBias?.values ?? [])]).toEqual([-1, 2]);
  });
});
