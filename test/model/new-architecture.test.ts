import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Device } from '../../lib/device/index.js';
import { type ArchitectureDescription, architectures } from '../../lib/model/architectures.js';
import { loadModel, parseConfig } from '../../lib/model/index.js';
import { plannedTensors, planWeights } from '../../lib/model/weight-plan.js';
import { modelLogits } from '../tolerances.js';
import { relativeError } from './golden-cases.js';
import { promptLogits } from './prompt-logits.js';
import { randomConfig, safetensorsBytes, tensorValues } from './random-checkpoint.js';
import { referenceLogits } from './reference-forward.js';

/** What no known architecture has together: one matrix for gate and up, head norms, a bias on q, k and v alone. */
const entry: ArchitectureDescription = {
  ...architectures.LlamaForCausalLM,
  defaults: { ...architectures.LlamaForCausalLM.defaults, sliding_window: 8 },
  gateUpModules: ['gate_up_proj'],
  qkvBias: 'always',
  attentionOutBias: 'never',
  hasQkNorm: true,
  window: 'everyLayer',
};

describe('an architecture', () => {
  const folder = mkdtempSync(join(tmpdir(), 'paged-attention-new-'));
  const known = architectures as Record<string, ArchitectureDescription>;
  afterAll(() => {
    delete known.NovelForCausalLM;
    rmSync(folder, { recursive: true });
  });

  test('is added by an entry of the table alone', async () => {
    known.NovelForCausalLM = entry;
    const json = randomConfig({ architectures: ['NovelForCausalLM'] });
    const config = parseConfig(json);
    const tensors = [...plannedTensors(planWeights(config, true))].map(({ name, shape }) => {
      const values = tensorValues(name, shape, 5);
      return { name, shape, dtype: 'f32' as const, values, bytes: new Uint8Array(values.buffer) };
    });
    writeFileSync(join(folder, 'config.json'), JSON.stringify(json));
    writeFileSync(join(folder, 'model.safetensors'), safetensorsBytes(tensors));

    const prompt = Array.from({ length: 21 }, (_, i) => (i * i * 13 + 5) % 256);
    const valuesOf = new Map(tensors.map(({ name, values }) => [name, values]));
    const expected = referenceLogits(config, (name) => valuesOf.get(name)!, prompt);
    const device = Device.open({ backend: 'cpu', threads: 1 });
    const model = await loadModel(device, folder);
    const { logits } = await promptLogits(device, model, prompt);
    model.free();
    await device.close();
    for (const [row, values] of logits.entries()) {
      expect(relativeError(values, expected[row])).toBeLessThan(modelLogits.f32);
    }
  });

  test('is described in docs/models.md as it is in the table', () => {
    const page = readFileSync('docs/models.md', 'utf8');
    const described = page.split('\n').filter((line) => /^\| \w+ForCausalLM \|/.test(line));
    const { NovelForCausalLM: _, ...shipped } = known;
    const rows = Object.entries(shipped).map(([name, a]) => {
      const yes = (flag: boolean) => (flag ? 'yes' : 'no');
      const modules = [a.qkvModules.join(' '), a.gateUpModules.join(' ')];
      const biases = [a.qkvBias, a.attentionOutBias, a.mlpBias];
      const rest = [yes(a.hasQkNorm), a.window, yes(a.canSkipRope)];
      return `| ${[name, ...modules, ...biases, ...rest].join(' | ')} |`;
    });
    expect(described).toEqual(rows);
  });
});
