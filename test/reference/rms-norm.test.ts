import { rmsNorm } from './rms-norm.js';

describe('rmsNorm', () => {
  test('divides each row by its own root mean square', () => {
    const { out } = rmsNorm({ x: [3, 4, 30, 40], weight: [1, 10], eps: 0 });
    const rms = Math.sqrt(12.5);
    expect(out[0]).toBeCloseTo(3 / rms, 12);
    expect(out[1]).toBeCloseTo(40 / rms, 12);
    expect(out[2]).toBeCloseTo(3 / rms, 12);
    expect(out[3]).toBeCloseTo(40 / rms, 12);
  });

  test('adds the residual first and gives the sum back', () => {
    const { out, residual } = rmsNorm({ x: [1, 2], weight: [1, 1], eps: 0, residual: [2, 2] });
    expect([...residual]).toEqual([3, 4]);
    expect(out[0]).toBeCloseTo(3 / Math.sqrt(12.5), 12);
  });

  test('adds the offset to the weights', () => {
    const { out } = rmsNorm({ x: [2, 2], weight: [0, 1], eps: 0, weightOffset: 1 });
    expect([...out]).toEqual([1, 2]);
  });

  test('gives zeros for a row of zeros, thanks to eps', () => {
    expect([...rmsNorm({ x: [0, 0], weight: [1, 1], eps: 1e-6 }).out]).toEqual([0, 0]);
  });
});
