import { BlockList, BlockLists } from '../../lib/kv/block-lists.js';

function read(lists: BlockLists, list: number): number[] {
  const blocks: number[] = [];
  if (lists.lengths[list] === 0) return blocks;
  let at: number | undefined = lists.getFirst(list);
  for (; at !== undefined; at = lists.findNext(at)) blocks.push(at);
  return blocks;
}

describe('BlockLists', () => {
  test('keeps the order in which blocks were pushed', () => {
    const lists = new BlockLists(6);
    for (const block of [3, 1, 5]) lists.pushBack(BlockList.tails, block);
    lists.pushFront(BlockList.tails, 2);
    expect(read(lists, BlockList.tails)).toEqual([2, 3, 1, 5]);
    lists.checkInvariants();
  });

  test('takes a block out of whatever list it is in', () => {
    const lists = new BlockLists(6);
    for (const block of [1, 2, 3]) lists.pushBack(BlockList.probation, block);
    lists.pushBack(BlockList.protected, 4);
    for (const block of [2, 4, 1]) lists.remove(block);
    expect(read(lists, BlockList.probation)).toEqual([3]);
    expect(read(lists, BlockList.protected)).toEqual([]);
    expect(lists.isInAny(2)).toBe(false);
    expect(lists.isIn(BlockList.probation, 3)).toBe(true);
    lists.checkInvariants();
  });

  test('finds out when its links are broken', () => {
    const lists = new BlockLists(4);
    lists.pushBack(BlockList.empty, 1);
    lists.lengths[BlockList.empty] = 2;
    expect(() => lists.checkInvariants()).toThrow('length of list 0');
  });
});
