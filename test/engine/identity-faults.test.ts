import type { StepBatch } from '../../lib/engine/index.js';
import { tinyCheckpoint } from './device-engine.js';
import { type IdentityCase, runIdentityCase } from './identity-case.js';
import { ReferenceAnswers } from './reference-answers.js';

/** Spoils a step in one way; false when the step has nothing to spoil. */
type Fault = (step: StepBatch) => boolean;

const queryLen = (step: StepBatch, s: number): number =>
  step.queryStart[s + 1] - step.queryStart[s];

/** A sequence that decodes, far enough from the start of its block to move one position. */
function findDecoding(step: StepBatch): number {
  for (let s = 0; s < step.numSeqs; s++) {
    const offset = step.contextLens[s] % 16;
    if (queryLen(step, s) === 1 && offset > 3 && offset < 13) return s;
  }
  return -1;
}

/** A step in which at least two sequences run several tokens. */
const hasTwoPrompts = (step: StepBatch): boolean =>
  step.numSeqs >= 2 && queryLen(step, 0) > 1 && queryLen(step, 1) > 1;

const faults: Array<[string, Fault]> = [
  [
    'a wrong block in a block table',
    (step) => {
      // The second block of some prompt becomes the second of another, which has its own.
      const { tableChanges } = step;
      const changes = Array.from({ length: step.numTableChanges }, (_, i) => 3 * i);
      const seconds = changes.filter((at) => tableChanges[at + 1] === 1);
      const one = seconds[0];
      const other = seconds.find((at) => tableChanges[at + 2] !== tableChanges[one + 2]);
      if (other === undefined) return false;
      tableChanges[other + 2] = tableChanges[one + 2];
      return true;
    },
  ],
  [
    'two blocks of a table in the wrong order',
    (step) => {
      const { tableChanges } = step;
      if (step.numTableChanges < 2 || tableChanges[0] !== tableChanges[3]) return false;
      // Both must hold what an earlier step wrote, or nothing would be out of order.
      if (tableChanges[1] !== 0 || step.writeStarts[0] < 32) return false;
      [tableChanges[2], tableChanges[5]] = [tableChanges[5], tableChanges[2]];
      return true;
    },
  ],
  [
    'a stale block: a copy that was not made',
    (step) => {
      if (step.numCopies === 0) return false;
      step.numCopies = 0;
      return true;
    },
  ],
  [
    'a table entry that was not sent',
    (step) => {
      if (step.numTableChanges === 0 || step.numTokens > 16) return false;
      step.numTableChanges--;
      return true;
    },
  ],
  [
    'a copy from another block',
    (step) => {
      if (step.numCopies === 0 || step.numTableChanges === 0) return false;
      const sources = step.tableChanges.filter(
        (_, i) => i % 3 === 2 && i < 3 * step.numTableChanges,
      );
      const other = sources.find((block) => !step.copies.subarray(0, 2).includes(block));
      if (other === undefined) return false;
      step.copies[0] = other;
      return true;
    },
  ],
  [
    'a position that is one too small',
    (step) => {
      const s = findDecoding(step);
      if (s < 0) return false;
      step.contextLens[s]--;
      step.writeStarts[s]--;
      return true;
    },
  ],
  [
    'a position that is one too large',
    (step) => {
      const s = findDecoding(step);
      if (s < 0) return false;
      step.contextLens[s]++;
      return true;
    },
  ],
  [
    'a token that counts to the wrong sequence',
    (step) => {
      if (!hasTwoPrompts(step)) return false;
      step.queryStart[1]--;
      return true;
    },
  ],
  [
    'two sequences that read each other’s block tables',
    (step) => {
      const numBlocks = (s: number): number => Math.ceil(step.contextLens[s] / 16);
      if (step.numSeqs < 2 || numBlocks(0) !== numBlocks(1)) return false;
      const { tableRows } = step;
      [tableRows[0], tableRows[1]] = [tableRows[1], tableRows[0]];
      return true;
    },
  ],
  [
    'a token whose keys and values are not written',
    (step) => {
      const s = findDecoding(step);
      if (s < 0) return false;
      step.writeStarts[s] = step.contextLens[s];
      return true;
    },
  ],
  [
    'logits of the row before',
    (step) => {
      if (step.numLogitRows === 0 || queryLen(step, 0) < 2 || step.logitRows[0] === 0) return false;
      step.logitRows[0]--;
      return true;
    },
  ],
];

const variant: IdentityCase = {
  dtype: 'f32',
  group: 4,
  headDim: 64,
  isa: 'auto' as IdentityCase['isa'],
  threads: 1,
  blockSize: 16,
  chunk: 64,
  pool: 'ample',
};

describe('the comparison sees', () => {
  const checkpoint = tinyCheckpoint({ dtype: 'f32', group: 4, headDim: 64 });
  let reference: ReferenceAnswers;

  beforeAll(async () => {
    reference = await ReferenceAnswers.open(checkpoint.folder);
  });
  afterAll(async () => {
    await reference.close();
    checkpoint.remove();
  });

  const run = (onSubmit: (step: StepBatch) => void) =>
    runIdentityCase(variant, { folder: checkpoint.folder, seed: 1, onSubmit }, reference);

  test('nothing when no step is spoiled', async () => {
    expect((await run(() => {})).mismatches).toEqual([]);
  });

  test.each(faults)('%s', async (_name, spoil) => {
    let numSpoiled = 0;
    const { mismatches } = await run((step) => {
      // One step only: everything after it must show the damage, or at least the step itself.
      if (numSpoiled === 0 && spoil(step)) numSpoiled++;
    });
    expect(numSpoiled).toBe(1);
    expect(mismatches).not.toEqual([]);
  });
});
