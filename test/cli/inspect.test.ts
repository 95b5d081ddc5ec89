import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Device, type WeightDType } from '../../dist/device/index.js';
import { type Inspection, inspect, load } from '../../dist/index.js';
import { loadModel } from '../../dist/model/index.js';
import { randomConfig, writeRandomCheckpoint } from '../model/random-checkpoint.js';
import { vocabSize, writeTokenizer } from '../text/tiny-tokenizer.js';
import { runToEnd } from './terminal.js';

const folder = mkdtempSync(join(tmpdir(), 'paged-attention-inspect-'));

beforeAll(() => {
  const config = randomConfig({ vocab_size: vocabSize(), tie_word_embeddings: true });
  writeRandomCheckpoint(folder, { config, dtype: 'bf16' });
  writeTokenizer({ folder });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What the device holds after loading, and what a program for steps of `load`'s size takes beside. */
async function measure(dtype: WeightDType) {
  const device = Device.open({ backend: 'cpu', threads: 1 });
  const model = await loadModel(device, folder, { dtype });
  await device.whenIdle();
  const weightsBytes = device.counters().bytesAllocated;
  const kvCache = device.createKvCache({ ...model.kvLayout, numBlocks: 2, blockSize: 16 });
  const before = device.counters().bytesAllocated;
  const steps = { maxTokens: 512, maxSeqs: 16, maxLogitRows: 16, maxTableRows: 16 };
  model.record(device, kvCache, { ...steps, maxBlocksPerSeq: 8, maxCopies: 16 });
  await device.whenIdle();
  const programBytes = device.counters().bytesAllocated - before;
  await device.close();
  return { weightsBytes, programBytes };
}

describe('inspect', () => {
  test.each(['f32', 'f16', 'bf16', 'int8', 'int4'] as const)(
    'says the bytes that loading as %s takes',
    async (dtype) => {
      const said = await inspect(folder, { backend: 'cpu', dtype });
      const { weightsBytes, programBytes } = await measure(dtype);
      expect(said.weightsBytes / weightsBytes).toBeCloseTo(1, 1);
      expect(said.activationBytes).toBeGreaterThan(programBytes * 0.5);
      expect(said.activationBytes).toBeLessThan(programBytes * 4 + 2 ** 20);
    },
  );

  test('says of a model what the loaded one says', async () => {
    const options = { backend: 'cpu', contextLen: 128 } as const;
    const said = await inspect(folder, options);
    const llm = await load(folder, options);
    for (const field of [
      'architecture',
      'vocabSize',
      'contextLen',
      'kvDtype',
      'weightsDtype',
    ] as const) {
      expect({ [field]: said[field] }).toEqual({ [field]: llm.info[field] });
    }
    expect(said.kvBlockBytes).toBe(llm.info.kvBlockBytes);
    expect(said.fits.at(-1)).toMatchObject({
      contextLen: 128,
      numSeqsByDefault: (llm.info.numKvBlocks - 1) / 8,
    });
    await llm.close();
  });

  test('counts the parameters of a tied head once, by the dtype that they are stored in', async () => {
    const said = await inspect(folder);
    const config = randomConfig({ vocab_size: vocabSize() });
    const { hidden_size: hidden, num_hidden_layers: layers } = config as Record<string, number>;
    const { intermediate_size: ffn } = config as Record<string, number>;
    const kvDim = said.numKvHeads * said.headDim;
    const perLayer =
      2 * hidden +
      2 * hidden * said.numHeads * said.headDim +
      2 * hidden * kvDim +
      3 * hidden * ffn;
    const numParameters = vocabSize() * hidden + hidden + layers * perLayer;
    expect(said.numParameters).toBe(numParameters);
    expect(said.storedParameters).toEqual({ BF16: numParameters });
    expect(said.storedBytes).toBe(2 * numParameters);
  });

  test('fits so many sequences as whole blocks allow, and one more never', async () => {
    const { fits, maxKvCacheBytes, kvBlockBytes, blockSize } = await inspect(folder);
    for (const { contextLen, numSeqsAtMost } of fits) {
      const bytesFor = (numSeqs: number) =>
        (numSeqs * Math.ceil(contextLen / blockSize) + 1) * kvBlockBytes;
      expect(bytesFor(numSeqsAtMost)).toBeLessThanOrEqual(maxKvCacheBytes);
      expect(bytesFor(numSeqsAtMost + 1)).toBeGreaterThan(maxKvCacheBytes);
    }
  });

  test('prints one JSON object, or a report with the same numbers', async () => {
    const { stdout: json } = await runToEnd(['inspect', folder, '--json', '--dtype', 'int4']);
    const said: Inspection = JSON.parse(json);
    expect(said).toMatchObject({ weightsDtype: 'int4', kvDtype: 'bf16', hasChatTemplate: true });
    const { stdout: report, exitCode } = await runToEnd(['inspect', folder]);
    expect(exitCode).toBe(0);
    for (const number of [
      said.numParameters,
      said.contextLen,
      said.kvBlockBytes,
      said.kvBytesPerToken,
    ]) {
      expect(report).toContain(number.toLocaleString('en-US'));
    }
  });

  test('refuses an option of load that changes nothing of what it says', async () => {
    await expect(inspect(folder, { threads: 1 } as object)).rejects.toMatchObject({
      field: 'options.threads',
    });
  });
});
