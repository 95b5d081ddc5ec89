/** @jest-environment ./test/setup/emulated-gpu-environment.mjs */
// Promise P1 on a GPU in `deterministic` mode: a hit, a batch, a chunk, a copy or a preemption changes no
// bit of a logits row. Decode steps of the traffic are captured and replayed.
import { tinyCheckpoint } from '../engine/device-engine.js';
import {
  addTally,
  emptyTally,
  type IdentityCase,
  type IdentityResult,
  nameOf,
  runIdentityCase,
} from '../engine/identity-case.js';
import { ReferenceAnswers } from '../engine/reference-answers.js';
import { deterministic } from './emulated-gpu.js';

const onGpu = { isa: 'auto' as IdentityCase['isa'], threads: 1 } as const;
const cases: readonly IdentityCase[] = [
  { dtype: 'bf16', group: 4, headDim: 64, blockSize: 16, chunk: 512, pool: 'ample', ...onGpu },
  { dtype: 'bf16', group: 1, headDim: 128, blockSize: 8, chunk: 16, pool: 'tiny', ...onGpu },
  { dtype: 'f16', group: 7, headDim: 96, blockSize: 32, chunk: 64, pool: 'ample', ...onGpu },
];
const total = emptyTally();

/** What the same requests give on the CPU: equal answers are not promised, equal work is. */
async function onCpu(variant: IdentityCase, folder: string, seed: number) {
  const reference = await ReferenceAnswers.open(folder);
  try {
    return await runIdentityCase(variant, { folder, seed }, reference);
  } finally {
    await reference.close();
  }
}

/** What was done for answers: which steps were submitted while another one ran is a matter of time. */
function workOf({ tally, rows }: IdentityResult) {
  const { stepsAhead: _, wastedTokens, ...work } = tally;
  return { ...work, numRows: rows.device - wastedTokens };
}

describe('on an emulated GPU logits are bit for bit those of the request alone, cache off', () => {
  test.each(cases.map((variant, i) => [nameOf(variant), variant, i] as const))(
    '%s',
    async (_name, variant, i) => {
      const { folder, remove } = tinyCheckpoint(variant);
      const reference = await ReferenceAnswers.open(folder, deterministic);
      try {
        const options = { folder, seed: i, on: deterministic };
        const { mismatches, tally, rows } = await runIdentityCase(variant, options, reference);
        expect(mismatches).toEqual([]);
        expect(rows).toEqual({ usage: rows.device, steps: rows.device, device: rows.device });
        const cpu = await onCpu(variant, folder, i);
        expect(cpu.mismatches).toEqual([]);
        expect(workOf(cpu)).toEqual(workOf({ mismatches, tally, rows }));
        addTally(total, tally);
      } finally {
        await reference.close();
        remove();
      }
    },
    300_000,
  );

  test('and every kind of hit, copy and preemption has happened', () => {
    console.info(`happened: ${JSON.stringify(total)}`);
    for (const count of Object.values(total)) expect(count).toBeGreaterThan(0);
  });
});
