import { BlockTable } from '../../lib/kv/index.js';

describe('BlockTable', () => {
  test('keeps blocks in order past its first capacity, zero behind them', () => {
    const table = new BlockTable();
    for (let block = 1; block <= 40; block++) table.append(block);
    expect(table.numBlocks).toBe(40);
    expect([...table.blocks.subarray(0, 40)]).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect([...table.blocks.subarray(40)].every((block) => block === 0)).toBe(true);
  });

  test('names the first entry that changed since it was sent', () => {
    const table = new BlockTable();
    for (const block of [5, 6, 7]) table.append(block);
    expect(table.dirtyFrom).toBe(0);
    table.markSent();
    expect(table.dirtyFrom).toBe(3);
    const { version } = table;
    table.append(8);
    expect(table.dirtyFrom).toBe(3);
    table.replace(1, 9);
    expect(table.dirtyFrom).toBe(1);
    expect([...table.blocks.subarray(0, 4)]).toEqual([5, 9, 7, 8]);
    expect(table.version).toBe(version + 2);
  });

  test('gives the entries that changed once', () => {
    const table = new BlockTable();
    for (const block of [5, 6, 7]) table.append(block);
    expect(table.takeChanges()).toEqual({ firstColumn: 0, blocks: Int32Array.of(5, 6, 7) });
    expect(table.takeChanges()).toEqual({ firstColumn: 3, blocks: new Int32Array(0) });
    table.append(8);
    table.replace(2, 9);
    expect(table.takeChanges()).toEqual({ firstColumn: 2, blocks: Int32Array.of(9, 8) });
  });
});
