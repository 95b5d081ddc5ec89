import { describePart } from '../conformance/extent.js';
import { seedOfThisRun } from '../conformance/random.js';
import { type TinyModel, tinyCheckpoint } from './device-engine.js';
import {
  addTally,
  emptyTally,
  type IdentityCase,
  identityAxes,
  identityCases,
  nameOf,
  quantizedDtype,
  runIdentityCase,
} from './identity-case.js';
import { ReferenceAnswers } from './reference-answers.js';

/** Chooses the share of the product that `npm run test:full` runs; the cover is always the same. */
const seed = seedOfThisRun();
const cases = identityCases(30, seed);
const total = emptyTally();

/** The models of the cases, each with what it answers alone; opened when first needed. */
const models = new Map<string, { folder: string; remove(): void; reference: ReferenceAnswers }>();

async function modelOf(variant: IdentityCase) {
  const { dtype, group, headDim } = variant;
  const name = `${dtype}-${group}-${headDim}`;
  const known = models.get(name);
  if (known !== undefined) return known;
  const model: TinyModel = { dtype, group, headDim };
  const checkpoint = tinyCheckpoint(model);
  const reference = await ReferenceAnswers.open(
    checkpoint.folder,
    undefined,
    quantizedDtype(variant),
  );
  const opened = { ...checkpoint, reference };
  models.set(name, opened);
  return opened;
}

afterAll(async () => {
  for (const { reference, remove } of models.values()) {
    await reference.close();
    remove();
  }
});

describe(`logits are bit for bit those of the request alone, cache off (PA_SEED=${seed})`, () => {
  test.each(cases.map((variant, i) => [nameOf(variant), variant, i] as const))(
    '%s',
    async (_name, variant, i) => {
      const { folder, reference } = await modelOf(variant);
      const { mismatches, tally, rows } = await runIdentityCase(
        variant,
        { folder, seed: i % 6 },
        reference,
      );
      expect(mismatches).toEqual([]);
      expect(rows).toEqual({ usage: rows.device, steps: rows.device, device: rows.device });
      addTally(total, tally);
    },
    300_000,
  );

  test('and every kind of hit, copy and preemption has happened', () => {
    const part = describePart(cases.length, identityAxes());
    console.info(`${part}, seed ${seed}; happened: ${JSON.stringify(total)}`);
    expect(total.hits).toBeGreaterThanOrEqual(0.95 * total.hitsExpected);
    expect(total.partialHits).toBeGreaterThanOrEqual(100);
    expect(total.tailHits).toBeGreaterThanOrEqual(100);
    expect(total.blocksCopied).toBeGreaterThanOrEqual(100);
    expect(total.preemptions).toBeGreaterThanOrEqual(200);
    expect(total.recomputedTokens).toBeGreaterThan(0);
    expect(total.coalesced).toBeGreaterThan(0);
    expect(total.stepsAhead).toBeGreaterThanOrEqual(1000);
    expect(total.wastedTokens).toBeGreaterThan(0);
  });
});
