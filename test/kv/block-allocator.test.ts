import { BlockAllocator } from '../../lib/kv/index.js';

const code = (name: string) => expect.objectContaining({ code: name });

describe('BlockAllocator', () => {
  test('hands out every block but the null block once', () => {
    const allocator = new BlockAllocator({ numBlocks: 5 });
    const blocks = [1, 2, 3, 4].map(() => allocator.allocate());
    expect(blocks.sort()).toEqual([1, 2, 3, 4]);
    expect(allocator.tryAllocate()).toBeUndefined();
    allocator.checkInvariants();
  });

  test('says how many blocks are needed and free when it has none', () => {
    const allocator = new BlockAllocator({ numBlocks: 2 });
    allocator.allocate();
    expect(() => allocator.allocate()).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_BLOCKS', numNeeded: 1, numFree: 0 }),
    );
  });

  test('keeps a block until its last holder frees it', () => {
    const allocator = new BlockAllocator({ numBlocks: 2 });
    const block = allocator.allocate();
    allocator.retain(block);
    allocator.free(block);
    expect(allocator.numFree).toBe(0);
    allocator.free(block);
    expect(allocator.numFree).toBe(1);
    allocator.checkInvariants();
  });

  test('refuses to free a block twice and names it', () => {
    const allocator = new BlockAllocator({ numBlocks: 4 });
    const block = allocator.allocate();
    allocator.free(block);
    expect(() => allocator.free(block)).toThrow(code('ERR_DOUBLE_FREE'));
    expect(() => allocator.free(block)).toThrow(`block ${block} `);
    expect(allocator.numFree).toBe(3);
    allocator.checkInvariants();
  });

  test.each([0, -1, 4, 1.5, Number.NaN])('refuses %p as a block', (block) => {
    const allocator = new BlockAllocator({ numBlocks: 4 });
    expect(() => allocator.free(block)).toThrow(code('ERR_INVALID_ARGUMENT'));
    expect(() => allocator.retain(block)).toThrow(code('ERR_INVALID_ARGUMENT'));
  });

  test('refuses to hold an empty block', () => {
    const allocator = new BlockAllocator({ numBlocks: 4 });
    expect(() => allocator.retain(2)).toThrow(code('ERR_INVALID_ARGUMENT'));
    allocator.checkInvariants();
  });

  test.each([0, 1, 2, 4, 7, 12, 24, 512, -8, 8.5, Number.NaN])(
    'refuses %p as block size',
    (blockSize) => {
      expect(() => new BlockAllocator({ numBlocks: 4, blockSize })).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'blockSize' }),
      );
    },
  );

  test.each([8, 16, 32, 64, 128, 256])('accepts %i as block size', (blockSize) => {
    expect(new BlockAllocator({ numBlocks: 2, blockSize }).blockSize).toBe(blockSize);
  });

  test.each([1, 0, -3, 2.5, Number.POSITIVE_INFINITY])('refuses %p blocks', (numBlocks) => {
    expect(() => new BlockAllocator({ numBlocks })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'numBlocks' }),
    );
  });
});
