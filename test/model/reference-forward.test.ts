import { parseConfig } from '../../lib/model/config.js';
import { readRandomGoldens, relativeError } from './golden-cases.js';
import { tensorShapes, tensorValues } from './random-checkpoint.js';
import { referenceLogits } from './reference-forward.js';

/** PyTorch computes norms and rotary angles in float32 even in a float64 model. */
const tolerance = 1e-5;

describe('the float64 reference', () => {
  test.each(readRandomGoldens())('gives the logits of transformers for $name', (golden) => {
    const config = parseConfig(golden.config);
    const tensors = new Map(
      tensorShapes(golden.config).map(([name, shape]) => [
        name,
        tensorValues(name, shape, golden.seed),
      ]),
    );
    const logits = referenceLogits(config, (name) => tensors.get(name)!, golden.promptTokens);
    for (const [i, row] of golden.rows.entries()) {
      expect(relativeError(logits[row], golden.logits[i])).toBeLessThan(tolerance);
    }
  });
});
