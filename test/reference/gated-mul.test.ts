import { geluMul } from './gelu-mul.js';
import { scale } from './scale.js';
import { siluMul } from './silu-mul.js';
import { softcap } from './softcap.js';

describe('siluMul', () => {
  test('gates the second half of a row by the silu of the first', () => {
    const out = siluMul([0, Math.log(3), 7, 8, -Math.log(3), 1000, 1, 2], 2);
    expect(out[0]).toBe(0);
    expect(out[1]).toBeCloseTo(((Math.log(3) * 3) / 4) * 8, 12);
    expect(out[2]).toBeCloseTo(-Math.log(3) / 4, 12);
    expect(out[3]).toBe(2000);
  });

  test('is 0 for a gate far below zero', () => {
    expect(Math.abs(siluMul([-800, 5], 1)[0])).toBe(0);
  });

  test('differs from its mirror by the gate: silu(x) - silu(-x) = x', () => {
    for (const x of [0.1, 1, 5]) {
      expect(siluMul([x, 1], 1)[0] - siluMul([-x, 1], 1)[0]).toBeCloseTo(x, 12);
    }
  });
});

describe('geluMul', () => {
  test('is within 5e-4 of x times the normal distribution function', () => {
    // Phi(1) and Phi(-2) from tables of the normal distribution.
    expect(Math.abs(geluMul([1, 1], 1)[0] - 0.8413447460685429)).toBeLessThan(5e-4);
    expect(Math.abs(geluMul([-2, 1], 1)[0] + 2 * 0.022750131948179195)).toBeLessThan(5e-4);
  });

  test('gates row by row', () => {
    const out = geluMul([100, 100, 2, 3, -100, 0, 4, 5], 2);
    expect([...out].map((x) => x + 0)).toEqual([200, 300, 0, 0]);
  });
});

describe('softcap', () => {
  test('leaves small values and never passes the cap', () => {
    const out = softcap([0.001, 1000, -1000], 30);
    expect(out[0]).toBeCloseTo(0.001, 9);
    expect([...out].slice(1)).toEqual([30, -30]);
  });
});

describe('scale', () => {
  test('multiplies each element', () => {
    expect([...scale([1, -2, 0], -3)].map((x) => x + 0)).toEqual([-3, 6, 0]);
  });
});
