import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Device } from '../../lib/device/index.js';
import { loadModel } from '../../lib/model/index.js';
import { goldenFolder } from './golden-cases.js';
import { greedyReply } from './greedy-reply.js';

const folder = join(import.meta.dirname, '../../models/recall');
const golden: {
  weightsSha256: string;
  maxNewTokens: number;
  cases: { promptTokens: number[]; replyTokens: number[] }[];
} = JSON.parse(readFileSync(join(goldenFolder, 'recall.json'), 'utf8'));

describe('the recall model', () => {
  let device: Device;

  beforeAll(() => {
    device = Device.open({ backend: 'cpu', threads: 2 });
  });

  afterAll(() => device.close());

  test('has the weights that the golden replies were made with', () => {
    const weights = readFileSync(join(folder, 'model.safetensors'));
    const advice = 'else run tools/golden/make_recall_golden.py';
    expect([createHash('sha256').update(weights).digest('hex'), advice]).toEqual([
      golden.weightsSha256,
      advice,
    ]);
  });

  test.each(['bf16', 'f32'] as const)('replies as PyTorch does, in %s', async (dtype) => {
    const model = await loadModel(device, folder, { dtype });
    for (const { promptTokens, replyTokens } of golden.cases) {
      const reply = await greedyReply(device, model, promptTokens, golden.maxNewTokens);
      expect(reply).toEqual(replyTokens);
    }
    model.free();
  });

  test('loads in the dtype and context of its config', async () => {
    const model = await loadModel(device, folder);
    expect([model.weightsDtype, model.contextLen]).toEqual(['bf16', model.config.maxPositions]);
    expect(model.config.eosTokenIds.length).toBeGreaterThan(0);
    model.free();
  });
});
