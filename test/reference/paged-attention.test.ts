import { Random } from '../conformance/random.js';
import { KvCacheModel } from './kv-cache.js';
import { type PagedAttentionInput, pagedAttention } from './paged-attention.js';

const blockSize = 2;

/** One sequence in blocks 3, 1, 4 whose K and V are given per position, one kv head. */
function sequence(
  keys: number[][],
  values: number[][],
  change: Partial<PagedAttentionInput> = {},
): PagedAttentionInput {
  const headDim = keys[0].length;
  const cache = new KvCacheModel(1, headDim, 'f32', blockSize, 1);
  const table = [3, 1, 4];
  keys.forEach((key, p) => {
    cache.write(0, table[p >> 1] * blockSize + (p & 1), key, values[p]);
  });
  const numTokens = change.numTokens ?? 1;
  return {
    q: new Array(numTokens * headDim).fill(1),
    cache,
    layer: 0,
    blockTables: table,
    tableStride: 3,
    tableRows: [0],
    queryStart: [0, numTokens],
    contextLens: [keys.length],
    numTokens,
    numHeads: 1,
    scale: 1,
    window: -1,
    softcap: 0,
    ...change,
  };
}

const ln = Math.log;

describe('pagedAttention', () => {
  test('weighs values by the softmax of the scores', () => {
    // Scores ln 1, ln 2, ln 5: weights 1/8, 2/8, 5/8.
    const { out, lse } = pagedAttention(sequence([[ln(1)], [ln(2)], [ln(5)]], [[8], [80], [800]]));
    expect(out[0]).toBeCloseTo(1 + 20 + 500, 4);
    expect(lse[0]).toBeCloseTo(ln(8), 6);
  });

  test('aligns query rows bottom right: the last row sees all, the one before one less', () => {
    const input = sequence([[ln(1)], [ln(2)], [ln(5)]], [[8], [80], [800]], { numTokens: 2 });
    const { out } = pagedAttention(input);
    expect(out[0]).toBeCloseTo((8 + 2 * 80) / 3, 4);
    expect(out[1]).toBeCloseTo(521, 4);
  });

  test('a window of w sees w positions before the row and the row itself', () => {
    const keys = [[ln(1)], [ln(2)], [ln(5)]];
    const values = [[8], [80], [800]];
    expect(pagedAttention(sequence(keys, values, { window: 0 })).out[0]).toBeCloseTo(800, 4);
    expect(pagedAttention(sequence(keys, values, { window: 1 })).out[0]).toBeCloseTo(
      (2 * 80 + 5 * 800) / 7,
      4,
    );
    expect(pagedAttention(sequence(keys, values, { window: 2 })).out[0]).toBeCloseTo(521, 4);
  });

  test('a sink takes weight and gives no value', () => {
    const { out, lse } = pagedAttention(sequence([[ln(2)]], [[30]], { sinks: [ln(4)] }));
    expect(out[0]).toBeCloseTo((2 / 6) * 30, 6);
    expect(lse[0]).toBeCloseTo(ln(6), 6);
  });

  test('softcap bends the scores after the scale', () => {
    const { lse } = pagedAttention(sequence([[10]], [[1]], { scale: 0.5, softcap: 2 }));
    expect(lse[0]).toBeCloseTo(2 * Math.tanh(2.5), 12);
  });

  test('rows that see nothing give zeros and -Infinity', () => {
    const padding = sequence([[1]], [[7]], { numTokens: 3, queryStart: [0, 1] });
    expect([...pagedAttention(padding).out]).toEqual([7, 0, 0]);
    expect([...pagedAttention(padding).lse].slice(1)).toEqual([-Infinity, -Infinity]);
    const empty = sequence([[1]], [[7]], { contextLens: [0] });
    expect([...pagedAttention(empty).out]).toEqual([0]);
  });

  test('query heads of one group read the same kv head', () => {
    const cache = new KvCacheModel(2, 1, 'f32', blockSize, 1);
    cache.write(0, 0, [0, 0], [5, 9]);
    const input = { ...sequence([[0]], [[0]]), cache, blockTables: [0], tableStride: 1 };
    const { out } = pagedAttention({ ...input, q: [1, 1, 1, 1], numHeads: 4 });
    expect([...out]).toEqual([5, 5, 9, 9]);
  });

  test('refuses to read a slot that was never written', () => {
    const input = sequence([[1]], [[1]], { contextLens: [2] });
    expect(() => pagedAttention(input)).toThrow('slot 7 of layer 0 was never written');
  });

  test('adding a constant to all scores moves the lse by it and nothing else', () => {
    const random = new Random(1);
    const rows = (n: number) => Array.from({ length: n }, () => [...random.normals(4)]);
    const [keys, values] = [rows(5), rows(5)];
    const plain = pagedAttention(sequence(keys, values));
    // q is all ones, so one more in a single element adds 1 to every score.
    const moved = pagedAttention(
      sequence(
        keys.map(([first, ...rest]) => [first + 1, ...rest]),
        values,
      ),
    );
    moved.out.forEach((x, i) => {
      expect(x).toBeCloseTo(plain.out[i], 5);
    });
    expect(moved.lse[0]).toBeCloseTo(plain.lse[0] + 1, 5);
  });

  test('two halves of a context merge into the whole by their lse', () => {
    const random = new Random(2);
    const rows = (n: number) => Array.from({ length: n }, () => [...random.normals(3)]);
    const [keys, values] = [rows(6), rows(6)];
    const whole = pagedAttention(sequence(keys, values));
    const first = pagedAttention(sequence(keys.slice(0, 2), values.slice(0, 2)));
    const second = pagedAttention(sequence(keys.slice(2), values.slice(2)));
    const share = 1 / (1 + Math.exp(second.lse[0] - first.lse[0]));
    whole.out.forEach((x, d) => {
      expect(share * first.out[d] + (1 - share) * second.out[d]).toBeCloseTo(x, 4);
    });
  });
});
