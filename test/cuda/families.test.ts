/** @jest-environment ./test/setup/emulated-gpu-environment.mjs */
// What architectures differ in, on an emulated GPU: biases, head norms, windows, rotary embeddings.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Device, type DeviceOptions } from '../../lib/device/index.js';
import { loadModel } from '../../lib/model/index.js';
import { readRandomGoldens, relativeError } from '../model/golden-cases.js';
import { promptLogits } from '../model/prompt-logits.js';
import { writeRandomCheckpoint } from '../model/random-checkpoint.js';
import { modelLogits } from '../tolerances.js';
import { deterministic } from './emulated-gpu.js';

/** Past one block, and past the window of 8 tokens that some of the models have. */
const promptLen = 19;
const folder = mkdtempSync(join(tmpdir(), 'paged-attention-cuda-family-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function logitsOn(on: DeviceOptions, checkpoint: string, tokens: readonly number[]) {
  const device = Device.open(on);
  try {
    const model = await loadModel(device, checkpoint, { dtype: 'bf16' });
    const { logits } = await promptLogits(device, model, tokens);
    model.free();
    return logits;
  } finally {
    await device.close();
  }
}

test.each(readRandomGoldens())('$name has the logits of the CPU', async (golden) => {
  const checkpoint = join(folder, golden.name);
  writeRandomCheckpoint(checkpoint, { config: golden.config, seed: golden.seed });
  const tokens = golden.promptTokens.slice(0, promptLen);
  const expected = await logitsOn({ backend: 'cpu', threads: 1 }, checkpoint, tokens);
  const found = await logitsOn(deterministic, checkpoint, tokens);
  for (const [row, logits] of found.entries()) {
    expect(relativeError(logits, expected[row])).toBeLessThan(modelLogits.bf16);
  }
});
