// Promise P1 on a real GPU, in `deterministic` mode: a hit, a batch, a chunk, a copy or a preemption
// changes no bit of a logits row. A pairwise cover of the models and pools that the CPU runs too.
import { pairwiseCover } from '../conformance/pairwise.js';
import { Random } from '../conformance/random.js';
import { tinyCheckpoint } from '../engine/device-engine.js';
import {
  addTally,
  emptyTally,
  type IdentityCase,
  identityAxes,
  nameOf,
  runIdentityCase,
} from '../engine/identity-case.js';
import { ReferenceAnswers } from '../engine/reference-answers.js';
import { describeOnGpu, modes, shareOf } from './gpu.js';

const timeoutMs = 300_000;
const minCases = 48;
const deterministic = modes[1][1];
const axes = {
  ...identityAxes(),
  dtype: ['bf16', 'f16'],
  isa: ['auto' as IdentityCase['isa']],
  threads: [1],
} as const;
const cover: IdentityCase[] = pairwiseCover(axes, new Random(1, 'identity'), minCases);
const cases = cover.slice(0, shareOf(cover.length));

/** Runs one variant on the GPU beside its requests alone on the GPU. */
async function runVariant(variant: IdentityCase, folder: string, seed: number) {
  const reference = await ReferenceAnswers.open(folder, deterministic);
  try {
    return await runIdentityCase(variant, { folder, seed, on: deterministic }, reference);
  } finally {
    await reference.close();
  }
}

describeOnGpu('on a GPU logits are bit for bit those of the request alone, cache off', () => {
  const total = emptyTally();

  test.each(cases.map((variant, i) => [nameOf(variant), variant, i] as const))(
    '%s',
    async (_name, variant, i) => {
      const { folder, remove } = tinyCheckpoint(variant);
      try {
        const { mismatches, tally, rows } = await runVariant(variant, folder, i % 6);
        expect(mismatches).toEqual([]);
        expect(rows).toEqual({ usage: rows.device, steps: rows.device, device: rows.device });
        addTally(total, tally);
      } finally {
        remove();
      }
    },
    timeoutMs,
  );

  test(
    'also those of the recall model',
    async () => {
      const model = { dtype: 'bf16', group: 2 as IdentityCase['group'], headDim: 64 } as const;
      const variant: IdentityCase = { ...cases[0], ...model, chunk: 64 };
      const { mismatches, tally } = await runVariant(variant, 'models/recall', 3);
      expect(mismatches).toEqual([]);
      addTally(total, tally);
    },
    timeoutMs,
  );

  test('and hits, partial hits and copies have happened', () => {
    console.info(`happened: ${JSON.stringify(total)}`);
    expect(total.hits).toBeGreaterThanOrEqual(0.95 * total.hitsExpected);
    expect(total.partialHits).toBeGreaterThan(0);
    expect(total.blocksCopied).toBeGreaterThan(0);
    expect(cases.length < cover.length || total.preemptions > 0).toBe(true);
  });
});
