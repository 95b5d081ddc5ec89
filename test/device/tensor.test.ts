import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Device } from '../../lib/device/index.js';
import { bf16ToNumber, f16ToNumber } from './half-bits.js';

const code = (name: string) => expect.objectContaining({ code: name });
const device = Device.open({ threads: 1 });
const folder = mkdtempSync(join(tmpdir(), 'pa-device-'));
afterAll(async () => {
  await device.close();
  rmSync(folder, { recursive: true });
});

function file(name: string, data: ArrayBufferView): string {
  const path = join(folder, name);
  writeFileSync(path, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return path;
}

describe('a tensor', () => {
  test('begins as zeros, or as a copy of its data', async () => {
    const data = new Float32Array([1, 2, 3]);
    const tensor = device.tensor({ dtype: 'f32', shape: [3], data });
    data.fill(9);
    expect([...(await tensor.read())]).toEqual([1, 2, 3]);
    expect([...(await device.tensor({ dtype: 'i32', shape: [2, 2] }).read())]).toEqual([
      0, 0, 0, 0,
    ]);
    expect(await device.tensor({ dtype: 'bf16', shape: [0, 5] }).read()).toHaveLength(0);
  });

  test('is read, written and filled in the order of the calls', async () => {
    const tensor = device.tensor({ dtype: 'i32', shape: [2] });
    const reads = [tensor.read()];
    tensor.write(new Int32Array([5, 6]));
    reads.push(tensor.read());
    tensor.fill(0xff);
    reads.push(tensor.read());
    const [first, second, third] = await Promise.all(reads);
    expect([...first, ...second, ...third]).toEqual([0, 0, 5, 6, -1, -1]);
  });

  test('takes any view of as many bytes', async () => {
    const bytes = new Uint8Array([0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 1]);
    const view = new DataView(bytes.buffer, 2, 8);
    const tensor = device.tensor({ dtype: 'i32', shape: [2], data: view });
    expect([...(await tensor.read())]).toEqual([7, 8]);
    expect(() => device.tensor({ dtype: 'i32', shape: [3], data: bytes.subarray(0, 8) })).toThrow(
      'data.byteLength is 8; expected 12',
    );
  });

  test.each([
    [{ dtype: 'f64', shape: [1] }],
    [{ dtype: 'f32', shape: [-1] }],
    [{ dtype: 'f32', shape: [1.5] }],
  ])('refuses %j', (options) => {
    expect(() => device.tensor(options as never)).toThrow(code('ERR_INVALID_ARGUMENT'));
  });

  test('that no machine can hold fails where it is used, and nothing else does', async () => {
    const huge = device.tensor({ dtype: 'f32', shape: [2 ** 31 - 1, 2 ** 20] });
    await expect(huge.fill(0)).rejects.toThrow(code('ERR_OUT_OF_MEMORY'));
    const x = device.tensor({ dtype: 'f32', shape: [2] });
    await expect(device.ops.scale({ x, factor: 2 })).resolves.toBeUndefined();
  });
});

describe('a mapped file', () => {
  test('gives its bytes, and nothing after close()', () => {
    const mapped = device.mapFile(file('bytes', new Uint8Array([1, 2, 3, 4, 5])));
    expect(mapped.byteLength).toBe(5);
    expect([...mapped.read(1, 3)]).toEqual([2, 3, 4]);
    expect(mapped.read(5, 0)).toHaveLength(0);
    expect(() => mapped.read(3, 3)).toThrow(code('ERR_INVALID_ARGUMENT'));
    mapped.close();
    mapped.close();
    expect(() => mapped.read(0, 1)).toThrow(code('ERR_CLOSED'));
  });

  test('may be empty', () => {
    expect(device.mapFile(file('empty', new Uint8Array(0))).byteLength).toBe(0);
  });

  test('is refused when it is missing, or a folder', () => {
    expect(() => device.mapFile(join(folder, 'missing'))).toThrow(code('ERR_FILE_UNREADABLE'));
    expect(() => device.mapFile(folder)).toThrow('is no regular file');
  });
});

describe('loadTensor', () => {
  const halves = Uint16Array.from({ length: 1 << 16 }, (_, bits) => bits);

  test.each([
    ['f16', f16ToNumber],
    ['bf16', bf16ToNumber],
  ] as const)('widens every %s exactly', async (sourceDtype, toNumber) => {
    const source = device.mapFile(file(sourceDtype, halves));
    const loading = device.loadTensor({
      dtype: 'f32',
      shape: [halves.length],
      source,
      byteOffset: 0,
      sourceDtype,
    });
    source.close();
    const values = await (await loading).read();
    for (const bits of halves) {
      const expected = toNumber(bits);
      if (!Object.is(values[bits], expected)) {
        throw new Error(`${sourceDtype} ${bits} became ${values[bits]}, not ${expected}`);
      }
    }
  });

  test('reads from an unaligned place and refuses to leave the file', async () => {
    const source = device.mapFile(file('odd', new Uint8Array([9, 0, 0, 0x80, 0x3f])));
    const options = { dtype: 'f32', source, sourceDtype: 'f32' } as const;
    const tensor = await device.loadTensor({ ...options, shape: [1], byteOffset: 1 });
    expect([...(await tensor.read())]).toEqual([1]);
    const past = device.loadTensor({ ...options, shape: [1], byteOffset: 2 });
    await expect(past).rejects.toThrow(code('ERR_SHAPE_MISMATCH'));
  });
});

describe('loadWeight', () => {
  const identity = new Float32Array([1, 0, 0, 0, 1, 0, 0, 0, 1]);
  /** Bits of bf16 values between 1 and 2. */
  const half = (_: unknown, i: number) => 0x3f80 + (i % 113);
  const columnsOf = async (weight: Awaited<ReturnType<typeof device.loadWeight>>) => {
    const x = device.tensor({ dtype: 'f32', shape: [3, 3], data: identity });
    const out = device.tensor({ dtype: 'f32', shape: [3, weight.outDim] });
    await device.ops.matmul({ out, x, weight });
    return [...(await out.read())];
  };

  test('reads the same again from a file whose pages it gave back', async () => {
    const inDim = 2048;
    const source = device.mapFile(file('pages', Uint16Array.from({ length: 32 * inDim }, half)));
    const part = { source, byteOffset: 0, dtype: 'bf16', outDim: 32 } as const;
    const x = device.tensor({
      dtype: 'bf16',
      shape: [1, inDim],
      data: Uint16Array.from({ length: inDim }, half),
    });
    const rows: number[][] = [];
    for (let round = 0; round < 2; round++) {
      const weight = await device.loadWeight({ dtype: 'bf16', inDim, parts: [part] });
      const out = device.tensor({ dtype: 'f32', shape: [1, 32] });
      await device.ops.matmul({ out, x, weight });
      rows.push([...(await out.read())]);
    }
    expect(rows[0].every((sum) => sum > 0)).toBe(true);
    expect(rows[1]).toEqual(rows[0]);
  });

  test('stacks parts of files and tensors in order, converting each', async () => {
    const inFile = new Uint16Array([0, 0, 0x3f80, 0x4000, 0x4040]);
    const source = device.mapFile(file('rows', inFile));
    const data = new Float32Array([-9, 4, 5, 6, 7, 8, 9]);
    const tensor = device.tensor({ dtype: 'f32', shape: [7], data });
    const loading = device.loadWeight({
      dtype: 'f32',
      inDim: 3,
      parts: [
        { source, byteOffset: 4, dtype: 'bf16', outDim: 1 },
        { source: tensor, byteOffset: 4, dtype: 'f32', outDim: 2 },
      ],
    });
    source.close();
    tensor.free();
    const weight = await loading;
    expect([weight.outDim, weight.inDim]).toEqual([3, 3]);
    expect(await columnsOf(weight)).toEqual([1, 4, 7, 2, 5, 8, 3, 6, 9]);
    weight.free();
    expect(() => weight.free()).toThrow(code('ERR_DOUBLE_FREE'));
  });

  test.each([
    [{ dtype: 'i32' }, 'ERR_INVALID_ARGUMENT'],
    [{ inDim: 0 }, 'ERR_INVALID_ARGUMENT'],
    [{ parts: [] }, 'ERR_INVALID_ARGUMENT'],
    [{ inDim: 4 }, 'ERR_SHAPE_MISMATCH'],
  ])('refuses %j', async (options, expected) => {
    const source = device.tensor({ dtype: 'f32', shape: [3, 3] });
    const parts = [{ source, byteOffset: 0, dtype: 'f32', outDim: 3 }];
    const whole = { dtype: 'f32', inDim: 3, parts, ...options };
    await expect(device.loadWeight(whole as never)).rejects.toThrow(code(expected));
  });
});
