// The attention cases are worth what they catch: each mutation below is a bug that engines have
// had, applied to the reference. Its outputs must fail the check of every case in which they differ
// from the right ones at all, whatever the dtype.
import { encode } from '../reference/dtype.js';
import { KvCacheModel } from '../reference/kv-cache.js';
import {
  type PagedAttentionInput,
  type PagedAttentionOutput,
  pagedAttention,
} from '../reference/paged-attention.js';
import type { RawOutputs } from './compare.js';
import {
  type AttentionChoice,
  type AttentionDraw,
  attentionAxes,
  checkAttention,
  drawAttention,
  referenceInput,
} from './paged-attention.cases.js';
import { pairwiseCover } from './pairwise.js';
import { Random, seedOfThisRun } from './random.js';

const layer = 1;

/** A cache whose every written slot went through `change`. */
function remapped(
  draw: AttentionDraw,
  change: (slot: number, key: Float32Array, value: Float32Array) => [number, ...Float32Array[]],
): KvCacheModel {
  const { numKvHeads, headDim, dtype, blockSize } = draw.layout;
  const model = new KvCacheModel(numKvHeads, headDim, dtype, blockSize, 2);
  const width = numKvHeads * headDim;
  Array.from(draw.contents.slots).forEach((slot, i) => {
    const [start, end] = [i * width, (i + 1) * width];
    const key = draw.contents.key.slice(start, end);
    const [to, newKey, newValue] = change(slot, key, draw.contents.value.slice(start, end));
    model.write(layer, to, newKey, newValue);
  });
  return model;
}

/** Heads of one slot, the last one first. */
function headsReversed(row: Float32Array, headDim: number): Float32Array {
  const out = new Float32Array(row.length);
  for (let i = 0; i < row.length; i += headDim) {
    out.set(row.subarray(i, i + headDim), row.length - headDim - i);
  }
  return out;
}

type Mutation = (input: PagedAttentionInput, draw: AttentionDraw) => Partial<PagedAttentionInput>;

const mutations: Record<string, Mutation> = {
  'K and V swapped': (_, draw) => ({ cache: remapped(draw, (slot, k, v) => [slot, v, k]) }),
  'kv heads permuted': (_, draw) => {
    const { headDim } = draw.layout;
    const reversed = (row: Float32Array) => headsReversed(row, headDim);
    return { cache: remapped(draw, (slot, k, v) => [slot, reversed(k), reversed(v)]) };
  },
  'query heads permuted': (input, draw) => {
    const width = draw.numHeads * draw.layout.headDim;
    const q = new Float32Array(input.q.length);
    for (let row = 0; row < q.length; row += width) {
      const heads = Float32Array.from(Array.prototype.slice.call(input.q, row, row + width));
      q.set(headsReversed(heads, draw.layout.headDim), row);
    }
    return { q };
  },
  'neighbouring slots of a block swapped': (_, draw) => ({
    cache: remapped(draw, (slot, k, v) => [slot ^ 1, k, v]),
  }),
  'head dims swapped in pairs': (_, draw) => {
    const swapped = (row: Float32Array) => row.map((_, i) => row[i ^ 1]);
    return { cache: remapped(draw, (slot, k, v) => [slot, k, swapped(v)]) };
  },
  'the last position left out': (input) => ({
    contextLens: Array.from(input.contextLens, (length) => Math.max(0, length - 1)),
  }),
  'a window one too short': (input) => (input.window > 0 ? { window: input.window - 1 } : {}),
  'a window one too long': (input) => (input.window >= 0 ? { window: input.window + 1 } : {}),
  'no window': () => ({ window: -1 }),
  'no softcap': () => ({ softcap: 0 }),
  'no sinks': (input) => (input.sinks ? { sinks: input.sinks, ...withoutSinks } : {}),
  'no scale': () => ({ scale: 1 }),
  'rows of the block tables swapped': (input) => ({
    tableRows: Array.from(input.tableRows).reverse(),
  }),
};
const withoutSinks = { sinks: undefined } as unknown as Partial<PagedAttentionInput>;

/** What a device would give back that computes exactly this. */
function asOutputs(choice: AttentionChoice, output: PagedAttentionOutput): RawOutputs {
  const out = encode(choice.outDtype, output.out);
  return choice.lse ? { out, lse: Float32Array.from(output.lse) } : { out };
}

/** Undefined where the mutant reads what was never written: on a device that is poison. */
function tryAttention(input: PagedAttentionInput): PagedAttentionOutput | undefined {
  try {
    return pagedAttention(input);
  } catch {
    return undefined;
  }
}

/** Whether a mutant is none: the order of the keys, for one, does not matter to a softmax. */
function isSame(mutant: PagedAttentionOutput, right: PagedAttentionOutput): boolean {
  return mutant.out.every((x, i) => Math.abs(x - right.out[i]) <= 1e-12);
}

function isCaught(draw: AttentionDraw, right: PagedAttentionOutput, wrong: RawOutputs): boolean {
  try {
    checkAttention(draw, wrong, right);
    return false;
  } catch {
    return true;
  }
}

describe('the attention cases', () => {
  const seed = seedOfThisRun();
  const axes = {
    ...attentionAxes,
    // Needles and spikes put all weight on one position: not always one that a mutation moves.
    content: ['mixed'],
    headDim: [64, 80],
    group: [1, 2],
    numKvHeads: [1, 2],
    blockSize: [8, 64],
    length: ['1', 'blockSize+1', '65', '250'],
    window: ['off', '0', '63'],
  } as const;
  const choices = pairwiseCover(axes, new Random(seed, 'mutations'), 0);
  const drawn = choices.map((choice, i) => {
    const draw = drawAttention(choice, new Random(seed, `mutations/${i}`));
    const input = referenceInput(draw);
    return { draw, input, right: pagedAttention(input) };
  });

  test(`pass with the reference itself, rounded (seed ${seed})`, () => {
    for (const { draw, right } of drawn) {
      checkAttention(draw, asOutputs(draw.choice, right), right);
    }
  });

  test.each(Object.keys(mutations))(`catch: %s (seed ${seed})`, (name) => {
    let numCaught = 0;
    const missed: string[] = [];
    for (const { draw, input, right } of drawn) {
      const mutant = tryAttention({ ...input, ...mutations[name](input, draw) });
      if (mutant !== undefined && isSame(mutant, right)) continue;
      if (mutant === undefined || isCaught(draw, right, asOutputs(draw.choice, mutant)))
        numCaught++;
      else missed.push(JSON.stringify(draw.choice));
    }
    expect(missed).toEqual([]);
    expect(numCaught).toBeGreaterThan(1);
  });
});
