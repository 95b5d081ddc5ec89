import { type Comparison, exactly, expectClose, expectSameBits, MismatchError } from './compare.js';

const base = { label: 'out', shape: [2, 2], tolerance: exactly };

describe('expectClose', () => {
  test('names the first wrong element by its place', () => {
    const comparison = { ...base, actual: [1, 2, 3.5, 5], expected: [1, 2, 3, 4] };
    expect(() => expectClose(comparison)).toThrow(
      'out[1, 0] is 3.5; expected 3 (2 of 4 elements wrong, worst Infinity tolerances)',
    );
  });

  test.each([
    ['a NaN where a number is expected', [Number.NaN], [0]],
    ['a number where NaN is expected', [0], [Number.NaN]],
    ['an infinity of the wrong sign', [-Infinity], [Infinity]],
    ['an infinity where a number is expected', [Infinity], [1e30]],
    ['too few elements', [], [0]],
  ])('refuses %s, whatever the tolerance', (_, actual, expected) => {
    const tolerance = { relative: 1e9, rounding: 1e9, absolute: 1e9 };
    const comparison: Comparison = { ...base, actual, expected, tolerance };
    expect(() => expectClose(comparison)).toThrow(MismatchError);
  });

  test('takes equal infinities and NaN for NaN', () => {
    expectClose({ ...base, actual: [-Infinity, Number.NaN], expected: [-Infinity, Number.NaN] });
  });

  test('measures errors by the magnitude of the terms', () => {
    const tolerance = { relative: 0.01, rounding: 0, absolute: 0 };
    const comparison = { ...base, actual: [0.5], expected: [0], tolerance };
    expectClose({ ...comparison, magnitude: [100] });
    expect(() => expectClose({ ...comparison, magnitude: [10] })).toThrow(MismatchError);
  });
});

describe('expectSameBits', () => {
  test('tells zero from minus zero', () => {
    expect(() =>
      expectSameBits('case', { out: new Float32Array([-0]) }, { out: new Float32Array([0]) }),
    ).toThrow(MismatchError);
  });

  test('takes any NaN for any other', () => {
    const other = new Float32Array(new Int32Array([0x7fc12345]).buffer);
    expectSameBits('case', { out: other }, { out: new Float32Array([Number.NaN]) });
  });

  test('refuses outputs of another length', () => {
    expect(() =>
      expectSameBits('case', { out: new Float32Array(1) }, { out: new Float32Array(2) }),
    ).toThrow(MismatchError);
  });
});
