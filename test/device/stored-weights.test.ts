import { Device } from '../../lib/device/index.js';
import { loadBlocks } from './stored-weights.js';

const isas = Device.availableIsas();

describe.each(isas)('blocks of llama.cpp load on %s', (isa) => {
  const device = Device.open({ backend: 'cpu', threads: 2, isa });
  afterAll(() => device.close());

  test.each([
    ['int8', 'int8'],
    ['int4', 'int4'],
    ['int8', 'f32'],
    ['int4', 'bf16'],
    ['int8', 'f16'],
  ] as const)('%s as %s, unchanged but for the rounding', async (stored, dtype) => {
    const { found, expected } = await loadBlocks(device, stored, dtype);
    expect(found).toEqual(expected);
  });
});

describe('blocks are refused', () => {
  const device = Device.open({ backend: 'cpu', threads: 1 });
  const source = device.tensor({ dtype: 'f32', shape: [64] });
  afterAll(() => device.close());
  const part = { source, byteOffset: 0, outDim: 2 };

  test.each([
    ['of half a group', 48, { ...part, dtype: 'int8' as const }, { field: 'inDim' }],
    ['past the end', 128, { ...part, dtype: 'int8' as const }, { code: 'ERR_SHAPE_MISMATCH' }],
    [
      'of odd heads',
      16,
      { ...part, dtype: 'f32' as const, interleavedHeadDim: 1 },
      { code: 'ERR_INVALID_ARGUMENT' },
    ],
    [
      'of more rows than heads',
      16,
      { ...part, dtype: 'f32' as const, interleavedHeadDim: 4 },
      { code: 'ERR_INVALID_ARGUMENT' },
    ],
  ])('%s', async (_, inDim, one, expected) => {
    const loading = device.loadWeight({ dtype: 'f32', inDim, parts: [one] });
    await expect(loading).rejects.toMatchObject(expected);
  });
});
