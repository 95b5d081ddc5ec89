import { Request, type RequestOptions, Sequence } from '../../lib/engine/sequence.js';
import { StepPlan } from '../../lib/engine/step-plan.js';
import { BlockTable } from '../../lib/kv/index.js';

/** A sequence that runs in row `id`, of a prompt of 8 tokens. */
function runningSequence(id: number): Sequence {
  const promptTokens = new Int32Array(8);
  const options = { id, promptTokens, maxTokens: 4, n: 1 } as unknown as RequestOptions;
  const sequence = new Sequence(new Request(options, id, 0, 0), 0, promptTokens);
  sequence.table = new BlockTable();
  sequence.rows = [id];
  return sequence;
}

describe('StepPlan', () => {
  test('keeps the order in which chunks were planned, whichever was taken out again', () => {
    const plan = new StepPlan();
    const sequences = [3, 1, 2, 0].map(runningSequence);
    for (const sequence of sequences) plan.add(sequence, 8);
    const removed = plan.remove(sequences[1]);
    expect(removed).toMatchObject({ sequence: sequences[1], start: 0, end: 8, drawRows: [1] });
    expect(plan.chunks.map(({ drawRows }) => drawRows[0])).toEqual([3, 2, 0]);
    expect(plan.remove(sequences[1])).toBeUndefined();
    for (const sequence of sequences) plan.remove(sequence);
    expect(plan.isEmpty).toBe(true);
  });

  test('draws in the rows that a sequence had when it was planned, and only at the end of its prompt', () => {
    const plan = new StepPlan();
    const [whole, part] = [runningSequence(5), runningSequence(6)];
    plan.add(whole, 8);
    plan.add(part, 7);
    whole.rows = [];
    expect(plan.chunks.map(({ drawRows }) => drawRows)).toEqual([[5], []]);
  });
});
