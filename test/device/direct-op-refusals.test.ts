import { Device, type Tensor } from '../../lib/device/index.js';

const code = (name: string) => expect.objectContaining({ code: name });
const device = Device.open({ threads: 1 });
afterAll(() => device.close());

const f32 = (...shape: number[]) => device.tensor({ dtype: 'f32', shape });
const i32 = (...data: number[]) =>
  device.tensor({ dtype: 'i32', shape: [data.length], data: new Int32Array(data) });
const layout = { numLayers: 1, numKvHeads: 1, headDim: 16, dtype: 'f32' } as const;
const cache = device.createKvCache({ ...layout, numBlocks: 4, blockSize: 8 });

async function embedInto(out: Tensor, ids: Tensor): Promise<void> {
  const part = { source: f32(4, 8), byteOffset: 0, dtype: 'f32' as const, outDim: 4 };
  const table = await device.loadWeight({ dtype: 'f32', inDim: 8, parts: [part] });
  await device.ops.embed({ out, table, ids });
}

const writeKv = (slotMapping: Tensor) =>
  device.ops.writeKv({ cache, layer: 0, key: f32(2, 16), value: f32(2, 16), slotMapping });

const attend = (tables: Partial<Record<string, number[]>>) => {
  const { blocks = [1, 2, 0, 0], rows = [0], starts = [0, 2], lens = [9] } = tables;
  const shape = [2, 2];
  return device.ops.pagedAttention({
    cache,
    layer: 0,
    numHeads: 1,
    out: f32(2, 16),
    q: f32(2, 16),
    blockTables: device.tensor({ dtype: 'i32', shape, data: new Int32Array(blocks) }),
    tableRows: i32(...rows),
    queryStart: i32(...starts),
    contextLens: i32(...lens),
    scale: 1,
  });
};

const rope = (positions: Tensor) =>
  device.ops.ropeAndWriteKv({
    cache,
    layer: 0,
    numHeads: 1,
    q: f32(2, 16),
    qkv: f32(2, 48),
    rope: f32(10, 16),
    positions,
    slotMapping: i32(-1, -1),
  });

describe('a direct op rejects', () => {
  test.each<[string, string, string, () => Promise<void>]>([
    [
      'an id past the table',
      'ERR_TOKEN_OUT_OF_RANGE',
      'ids[1] is 4',
      () => embedInto(f32(2, 8), i32(0, 4)),
    ],
    [
      'a negative id',
      'ERR_TOKEN_OUT_OF_RANGE',
      'ids[0] is -1',
      () => embedInto(f32(1, 8), i32(-1)),
    ],
    [
      'a slot past the pool',
      'ERR_BLOCK_OUT_OF_RANGE',
      'slotMapping[1] is 32; expected one in [-1, 31]',
      () => writeKv(i32(8, 32)),
    ],
    [
      'a slot below -1',
      'ERR_BLOCK_OUT_OF_RANGE',
      'slotMapping[0] is -2',
      () => writeKv(i32(-2, 9)),
    ],
    [
      'a position past the rope table',
      'ERR_INVALID_ARGUMENT',
      'positions[1] is 10; expected one in [0, 9]',
      () => rope(i32(0, 10)),
    ],
    [
      'a row past the tables',
      'ERR_INVALID_ARGUMENT',
      'tableRows[0] is 2',
      () => attend({ rows: [2] }),
    ],
    [
      'a context past its table',
      'ERR_INVALID_ARGUMENT',
      'contextLens[0] is 17',
      () => attend({ lens: [17] }),
    ],
    [
      'rows past the queries',
      'ERR_INVALID_ARGUMENT',
      'queryStart[1] is 3',
      () => attend({ starts: [0, 3] }),
    ],
    [
      'a block past the pool',
      'ERR_BLOCK_OUT_OF_RANGE',
      'blockTables[1] is 4',
      () => attend({ blocks: [1, 4, 0, 0] }),
    ],
    [
      'a copy past the pool',
      'ERR_BLOCK_OUT_OF_RANGE',
      'copies[1] is 4',
      () => device.ops.copyBlocks({ cache, pairs: new Int32Array([1, 4]) }),
    ],
    [
      'a row past the source',
      'ERR_INVALID_ARGUMENT',
      'rows[0] is 5',
      () => device.ops.gatherRows({ out: f32(1, 8), x: f32(5, 8), rows: i32(5) }),
    ],
  ])('%s', async (_, expected, message, run) => {
    const error = await run().then(
      () => undefined,
      (reason) => reason,
    );
    expect(error).toMatchObject({ code: expected, message: expect.stringContaining(message) });
  });

  test('nothing past the context: entries that are not read may be anything', async () => {
    await expect(attend({ blocks: [1, 2, 1e9, -5] })).resolves.toBeUndefined();
    await expect(attend({ blocks: [1, 99, 0, 0], lens: [8] })).resolves.toBeUndefined();
  });
});

describe('a direct op throws at once for', () => {
  test.each<[string, string, () => unknown]>([
    ['another dtype', 'ERR_DTYPE_MISMATCH', () => device.ops.scale({ x: i32(1), factor: 2 })],
    ['other rows', 'ERR_SHAPE_MISMATCH', () => writeKv(i32(1, 2, 3))],
    [
      'an odd number of copies',
      'ERR_INVALID_ARGUMENT',
      () => device.ops.copyBlocks({ cache, pairs: new Int32Array(3) }),
    ],
    [
      'a row size of its own',
      'ERR_SHAPE_MISMATCH',
      () => device.ops.siluMul({ out: f32(1, 8), gateUp: f32(1, 8) }),
    ],
    [
      'a freed tensor',
      'ERR_CLOSED',
      () => {
        const x = f32(4);
        x.free();
        return device.ops.scale({ x, factor: 2 });
      },
    ],
  ])('%s', (_, expected, run) => {
    expect(run).toThrow(code(expected));
  });

  test('a tensor of another device', async () => {
    const other = Device.open({ threads: 1 });
    const x = other.tensor({ dtype: 'f32', shape: [1] });
    expect(() => device.ops.scale({ x, factor: 2 })).toThrow('x belongs to another device');
    await other.close();
  });
});

describe('counters', () => {
  test('count what direct ops write and copy', async () => {
    const before = device.counters();
    await writeKv(i32(8, -1));
    await device.ops.copyBlocks({ cache, pairs: new Int32Array([1, 2, 1, 3]) });
    expect(device.counters()).toMatchObject({
      kvSlotsWritten: before.kvSlotsWritten + 1,
      blocksCopied: before.blocksCopied + 2,
    });
  });
});
