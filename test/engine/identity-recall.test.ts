import { Device } from '../../lib/device/index.js';
import { type IdentityCase, identityAxes, nameOf, runIdentityCase } from './identity-case.js';
import { ReferenceAnswers } from './reference-answers.js';

const folder = 'models/recall';
const { blockSize, chunk, threads, pool } = identityAxes();

/** One case per instruction set, each with other values on the other axes. */
const cases = Device.availableIsas().map(
  (isa, i): IdentityCase => ({
    dtype: 'bf16',
    group: 2 as IdentityCase['group'],
    headDim: 64,
    isa,
    threads: threads[i % 2],
    blockSize: blockSize[i % 3],
    chunk: chunk[(i + 2) % 4],
    pool: pool[(i >> 1) % 2],
  }),
);

describe('logits of the recall model are bit for bit those of the request alone', () => {
  let reference: ReferenceAnswers;
  beforeAll(async () => {
    reference = await ReferenceAnswers.open(folder);
  });
  afterAll(() => reference.close());

  test.each(cases.map((variant) => [nameOf(variant), variant] as const))(
    '%s',
    async (_name, variant) => {
      const { mismatches, tally, rows } = await runIdentityCase(
        variant,
        { folder, seed: 3 },
        reference,
      );
      expect(mismatches).toEqual([]);
      expect(rows).toEqual({ usage: rows.device, steps: rows.device, device: rows.device });
      expect(tally.hits).toBe(tally.hitsExpected);
      expect(tally.partialHits).toBeGreaterThan(0);
      expect(variant.pool === 'ample' || tally.preemptions > 0).toBe(true);
    },
    300_000,
  );
});
