import { type ReadableFile, readSafetensorsHeader } from '../../lib/model/safetensors.js';
import { joinSafetensors } from './random-checkpoint.js';

/** A file held in memory. */
function fileOf(bytes: Uint8Array): ReadableFile {
  return {
    byteLength: bytes.byteLength,
    read: (offset, length) => bytes.slice(offset, offset + length),
  };
}

const open = (bytes: Uint8Array) => readSafetensorsHeader(fileOf(bytes), 'weights.safetensors');

/** A file with this header (text, or an object to stringify) and so many bytes of data. */
function fileWith(header: unknown, numDataBytes: number): Uint8Array {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  return joinSafetensors(text, new Uint8Array(numDataBytes));
}

const f32 = (shape: number[], start: number, end: number) => ({
  dtype: 'F32',
  shape,
  data_offsets: [start, end],
});

function refusal(bytes: Uint8Array): { code: string; message: string } {
  try {
    open(bytes);
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('was accepted');
}

describe('readSafetensorsHeader', () => {
  test('gives each tensor its place, in the order of their bytes', () => {
    const bytes = fileWith({ b: f32([2, 3], 8, 32), a: { ...f32([4], 0, 8), dtype: 'BF16' } }, 32);
    const dataStart = bytes.byteLength - 32;
    expect([...open(bytes).values()]).toEqual([
      { name: 'a', dtype: 'BF16', shape: [4], byteOffset: dataStart, byteLength: 8 },
      { name: 'b', dtype: 'F32', shape: [2, 3], byteOffset: dataStart + 8, byteLength: 24 },
    ]);
  });

  test('accepts a file without tensors, scalars, and tensors of no elements', () => {
    expect(open(fileWith({}, 0)).size).toBe(0);
    const tensors = open(fileWith({ s: f32([], 0, 4), none: f32([0, 7], 4, 4) }, 4));
    expect(tensors.get('s')?.byteLength).toBe(4);
    expect(tensors.get('none')?.byteLength).toBe(0);
  });

  test('accepts dtypes smaller than a byte where they fill whole bytes', () => {
    const header = { q: { dtype: 'F4', shape: [3, 2], data_offsets: [0, 3] } };
    expect(open(fileWith(header, 3)).get('q')?.byteLength).toBe(3);
    header.q.shape = [5];
    expect(refusal(fileWith(header, 3)).code).toBe('ERR_SAFETENSORS_RANGE');
  });

  describe('refuses a header', () => {
    const cases: [what: string, bytes: () => Uint8Array, message: RegExp][] = [
      ['in an empty file', () => new Uint8Array(0), /is 0 bytes long/],
      ['whose length is cut off', () => new Uint8Array(7), /is 7 bytes long/],
      ['longer than its file', () => fileWith({}, 0).slice(0, 12), /8 bytes; 4 follow/],
      ['over 100 MB', () => oversized(100_000_001n), /100000001 bytes; at most 100000000/],
      ['of 2^64 - 1 bytes', () => oversized(2n ** 64n - 1n), /18446744073709551615 bytes/],
      ['that is no JSON', () => fileWith('{"a":', 0), /no JSON: /],
      ['of no bytes', () => new Uint8Array(8), /no JSON: /],
      ['that is no UTF-8', () => notUtf8(), /no JSON: /],
      ['that is an array', () => fileWith('[]', 0), /no JSON object/],
      ['that starts with a space', () => fileWith(' {}', 0), /no JSON object/],
      ['with a tensor twice', () => fileWith(twice('a'), 4), /key "a" twice/],
      ['with a tensor twice, once escaped', () => fileWith(twice('\\u0061'), 4), /key "a" twice/],
      [
        'with a field twice',
        () => fileWith('{"a":{"dtype":"F32","dtype":"F16"}}', 0),
        /"dtype" twice/,
      ],
      ['with numbers as metadata', () => fileWith({ __metadata__: { a: 1 } }, 0), /__metadata__/],
      [
        'with an unknown dtype',
        () => fileWith({ a: { ...f32([1], 0, 4), dtype: 'F31' } }, 4),
        /F31; known are BOOL, /,
      ],
      [
        'with a dtype named like a method',
        () => fileWith({ a: { ...f32([1], 0, 4), dtype: 'toString' } }, 4),
        /toString/,
      ],
      ['with a tensor that is null', () => fileWith({ a: null }, 0), /"a" without a shape/],
      ['with a negative extent', () => fileWith({ a: f32([-1], 0, 4) }, 4), /"a" without a shape/],
      [
        'with a fractional extent',
        () => fileWith({ a: f32([0.5], 0, 2) }, 4),
        /"a" without a shape/,
      ],
      [
        'with one data offset',
        () => fileWith({ a: { ...f32([1], 0, 4), data_offsets: [0] } }, 4),
        /data_offsets/,
      ],
    ];
    test.each(cases)('%s', (_what, bytes, message) => {
      const { code, message: found } = refusal(bytes());
      expect(code).toBe('ERR_SAFETENSORS_HEADER');
      expect(found).toMatch(message);
    });
  });

  describe('refuses a tensor', () => {
    const cases: [what: string, bytes: () => Uint8Array, message: RegExp][] = [
      [
        'past the end of the file',
        () => fileWith({ a: f32([2], 0, 8) }, 4),
        /\[0, 8\); the file has 4/,
      ],
      ['that ends before it starts', () => fileWith({ a: f32([1], 4, 0) }, 4), /\[4, 0\)/],
      [
        'with fewer bytes than its shape',
        () => fileWith({ a: f32([2], 0, 4) }, 4),
        /has 4 bytes; \[2\] of F32 needs 8/,
      ],
      [
        'with more bytes than its shape',
        () => fileWith({ a: f32([1], 0, 8) }, 8),
        /has 8 bytes; \[1\] of F32 needs 4/,
      ],
      [
        'whose element count passes 2^53',
        () => fileWith({ a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4),
        /has 4 bytes/,
      ],
      [
        'that is not aligned',
        () => fileWith({ a: u8(1, 0), b: f32([1], 1, 5) }, 5),
        /not aligned for F32/,
      ],
      [
        'behind a hole',
        () => fileWith({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12),
        /4 bytes after "a" ends/,
      ],
      [
        'behind a hole at the start',
        () => fileWith({ a: f32([1], 4, 8) }, 8),
        /4 bytes after "the header" ends/,
      ],
      [
        'with bytes behind the last',
        () => fileWith({ a: f32([1], 0, 4) }, 7),
        /3 bytes after the last tensor/,
      ],
    ];
    test.each(cases)('%s', (_what, bytes, message) => {
      const { code, message: found } = refusal(bytes());
      expect(code).toBe('ERR_SAFETENSORS_RANGE');
      expect(found).toMatch(message);
    });

    test('that shares bytes with another', () => {
      const { code, message } = refusal(fileWith({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12));
      expect(code).toBe('ERR_SAFETENSORS_OVERLAP');
      expect(message).toBe('weights.safetensors: tensor "b" shares 4 bytes with "a"');
    });

    test('that lies inside another', () => {
      const bytes = fileWith({ a: f32([3], 0, 12), b: f32([1], 4, 8) }, 12);
      expect(refusal(bytes).code).toBe('ERR_SAFETENSORS_OVERLAP');
    });
  });

  test('never reads past the end of a file cut off anywhere', () => {
    const whole = fileWith({ a: f32([3], 0, 12), b: f32([2], 12, 20) }, 20);
    for (let length = 0; length < whole.byteLength; length++) {
      const { code } = refusal(whole.slice(0, length));
      expect(code).toMatch(/^ERR_SAFETENSORS_(HEADER|RANGE)$/);
    }
  });
});

function u8(count: number, start: number) {
  return { dtype: 'U8', shape: [count], data_offsets: [start, start + count] };
}

function oversized(headerBytes: bigint): Uint8Array {
  const bytes = Buffer.from(fileWith({}, 0));
  bytes.writeBigUInt64LE(headerBytes);
  return bytes;
}

function notUtf8(): Uint8Array {
  const bytes = fileWith('{"a":"b"}', 0);
  bytes[8 + 2] = 0xff;
  return bytes;
}

function twice(secondKey: string): string {
  const tensor = JSON.stringify(f32([1], 0, 4));
  return `{"a":${tensor},"${secondKey}":${tensor}}`;
}
