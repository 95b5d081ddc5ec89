import { parseConfig } from '../../lib/model/config.js';
import { modelLogits } from '../tolerances.js';
import { type RandomGoldenCase, readRandomGoldens, relativeError } from './golden-cases.js';
import { type ConfigJson, tensorShapes, tensorValues } from './random-checkpoint.js';
import { referenceLogits } from './reference-forward.js';

/** Like ours: PyTorch computes norms and rotary angles in float32 even in a float64 model. */
const tolerance = modelLogits.f32;

/** The worst error of any golden row, for the reference run with `overrides` in its config. */
function worstError(golden: RandomGoldenCase, overrides: ConfigJson = {}): number {
  const config = parseConfig({ ...golden.config, ...overrides });
  const tensors = new Map(
    tensorShapes(golden.config).map(([name, shape]) => [
      name,
      tensorValues(name, shape, golden.seed),
    ]),
  );
  const logits = referenceLogits(config, (name) => tensors.get(name)!, golden.promptTokens);
  const errors = golden.rows.map((row, i) => relativeError(logits[row], golden.logits[i]));
  return errors.reduce((worst, error) => (error <= worst ? worst : error), 0);
}

describe('the float64 reference', () => {
  const goldens = readRandomGoldens();

  test.each(goldens)('gives the logits of transformers for $name', (golden) => {
    expect(worstError(golden)).toBeLessThan(tolerance);
  });

  test.each<[name: string, ConfigJson]>([
    ['mistral-window', { sliding_window: 7 }],
    ['mistral-window', { sliding_window: 9 }],
    ['qwen2-half-window', { max_window_layers: 0, layer_types: null }],
    ['smollm3-nope', { no_rope_layers: [1, 1, 1] }],
    ['llama-3-rope-biases', { rope_parameters: { rope_theta: 500000 } }],
    ['llama-3-rope-biases', { rms_norm_eps: 1e-2 }],
    ['llama-linear-rope-gelu', { hidden_act: 'silu' }],
    ['phi3-partial-rope', { rope_parameters: { rope_theta: 10000 } }],
  ])('is far from the logits of %s with %j', (name, overrides) => {
    const golden = goldens.find((candidate) => candidate.name === name)!;
    expect(worstError(golden, overrides)).toBeGreaterThan(100 * tolerance);
  });
});
