import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Device } from '../../lib/device/index.js';
import { loadModel } from '../../lib/model/index.js';
import { dequantize, quantizeRows, quantizeWeight } from '../reference/quantized.js';
import { modelLogits } from '../tolerances.js';
import { roundTo } from './float-bits.js';
import { readRandomGoldens, relativeError } from './golden-cases.js';
import { promptLogits } from './prompt-logits.js';
import {
  type ConfigJson,
  randomConfig,
  tensorShapes,
  tensorValues,
  writeRandomCheckpoint,
} from './random-checkpoint.js';
import { referenceLogits } from './reference-forward.js';

/** Of a checkpoint none of whose activations is so near a tie that float32 rounds it another way. */
const seed = 5;
const prompt = Array.from({ length: 12 }, (_, i) => (i * i * 13 + 7 * i + 5) % 256);

/** Matrices of a random checkpoint as they are after quantising, vectors as they are stored. */
function roundedTensors(config: ConfigJson, dtype: 'int8' | 'int4', stored: 'f32' | 'bf16') {
  return new Map(
    tensorShapes(config).map(([name, shape]) => {
      const exact = Float64Array.from(tensorValues(name, shape, seed));
      const values = exact.map((value) => roundTo(stored, value));
      const isMatrix = shape.length === 2;
      return [name, isMatrix ? dequantize(quantizeWeight(dtype, values, shape[1])) : values];
    }),
  );
}

describe('a model whose weights are quantised while loading', () => {
  let device: Device;
  let folder: string;

  beforeEach(() => {
    device = Device.open({ backend: 'cpu', threads: 2 });
    folder = mkdtempSync(join(tmpdir(), 'paged-attention-quantized-'));
  });

  afterEach(async () => {
    await device.close();
    rmSync(folder, { recursive: true });
  });

  test.each([
    ['int8', 'f32', {}],
    ['int8', 'bf16', { architectures: ['Qwen3ForCausalLM'], head_dim: 80 }],
    ['int4', 'bf16', { tie_word_embeddings: false }],
  ] as const)(
    'to %s from %s with %j gives the logits of the float64 reference',
    async (dtype, stored, overrides) => {
      const config = randomConfig(overrides);
      writeRandomCheckpoint(folder, { config, dtype: stored, seed });
      const model = await loadModel(device, folder, { dtype, kvDtype: 'f32' });
      expect([model.weightsDtype, model.kvLayout.dtype]).toEqual([dtype, 'f32']);
      const { logits } = await promptLogits(device, model, prompt);

      const tensors = roundedTensors(config, dtype, stored);
      const rounding = {
        matmulInput: (row: Float64Array) => dequantize(quantizeRows(row, row.length)),
        kv: (value: number) => value,
      };
      const tensor = (name: string) => tensors.get(name)!;
      const expected = referenceLogits(model.config, tensor, prompt, rounding);
      for (const [row, values] of expected.entries()) {
        expect(relativeError(logits[row], values)).toBeLessThan(modelLogits.f32);
      }
      model.free();
    },
  );

  test('takes the KV dtype that it would have had without', async () => {
    writeRandomCheckpoint(folder, { dtype: 'f16', seed });
    const plain = await loadModel(device, folder);
    const model = await loadModel(device, folder, { dtype: 'int4' });
    expect(model.kvLayout).toEqual(plain.kvLayout);
    expect(model.fingerprint).not.toBe(plain.fingerprint);
    model.free();
    plain.free();
  });

  test.each([
    ['int8', 0.06],
    ['int4', 0.6],
  ] as const)(
    'to %s has logits of random models within %f of transformers in float32',
    async (dtype, limit) => {
      let largest = 0;
      for (const golden of readRandomGoldens()) {
        const modelFolder = join(folder, golden.name);
        writeRandomCheckpoint(modelFolder, { config: golden.config, seed: golden.seed });
        const model = await loadModel(device, modelFolder, { dtype });
        const { logits } = await promptLogits(device, model, golden.promptTokens);
        const errors = golden.rows.map((row, i) => relativeError(logits[row], golden.logits[i]));
        console.info(`${golden.name} in ${dtype}: ${Math.max(...errors).toFixed(4)}`);
        largest = Math.max(largest, ...errors);
        model.free();
      }
      expect(largest).toBeLessThan(limit);
    },
  );
});
