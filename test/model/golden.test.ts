import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Device } from '../../lib/device/index.js';
import { loadModel } from '../../lib/model/index.js';
import { modelLogits } from '../tolerances.js';
import { goldenFolder, readGolden, readRandomGoldens, relativeError } from './golden-cases.js';
import { promptLogits } from './prompt-logits.js';
import { writeRandomCheckpoint } from './random-checkpoint.js';

describe('the recorded forward loop', () => {
  let device: Device;
  let folder: string;

  beforeAll(() => {
    device = Device.open({ backend: 'cpu', threads: 2 });
    folder = mkdtempSync(join(tmpdir(), 'paged-attention-golden-'));
  });

  afterAll(async () => {
    await device.close();
    rmSync(folder, { recursive: true });
  });

  test.each(readRandomGoldens())('gives the logits of transformers for $name', async (golden) => {
    const modelFolder = join(folder, golden.name);
    writeRandomCheckpoint(modelFolder, { config: golden.config, seed: golden.seed });
    const model = await loadModel(device, modelFolder);

    const whole = await promptLogits(device, model, golden.promptTokens);
    for (const [i, row] of golden.rows.entries()) {
      expect(relativeError(whole.logits[row], golden.logits[i])).toBeLessThan(modelLogits.f32);
    }

    const options = { blockSize: 8, chunkLen: 7 };
    const chunked = await promptLogits(device, model, golden.promptTokens, options);
    expect(chunked.digests).toEqual(whole.digests);
    model.free();
  });

  test('gives the logits of transformers for a sharded bf16 folder as transformers saves it', async () => {
    const golden = readGolden('llama-sharded');
    const model = await loadModel(device, join(goldenFolder, golden.name), { dtype: 'f32' });
    expect(model.config).toMatchObject({ declaredDtype: 'bf16', eosTokenIds: [2, 5] });

    const { logits } = await promptLogits(device, model, golden.promptTokens);
    for (const [i, row] of golden.rows.entries()) {
      expect(relativeError(logits[row], golden.logits[i])).toBeLessThan(modelLogits.f32);
    }
    model.free();
  });
});
