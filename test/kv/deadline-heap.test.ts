import fc from 'fast-check';
import { DeadlineHeap } from '../../lib/kv/deadline-heap.js';

describe('DeadlineHeap', () => {
  test('gives due numbers by deadline, whatever came and went before', () => {
    const change = fc.record({ id: fc.nat(40), deadlineMs: fc.nat(100), isRemoval: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 120 }), (changes) => {
        const heap = new DeadlineHeap();
        const expected = new Map<number, number>();
        for (const { id, deadlineMs, isRemoval } of changes) {
          heap.remove(id);
          expected.delete(id);
          if (!isRemoval) {
            heap.push(id, deadlineMs);
            expected.set(id, deadlineMs);
          }
          heap.checkInvariants();
        }
        const order: number[] = [];
        for (let id = heap.findDue(100); id !== undefined; id = heap.findDue(100)) {
          order.push(expected.get(id)!);
          heap.remove(id);
        }
        expect(order).toEqual([...expected.values()].sort((a, b) => a - b));
        expect(heap.size).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  test('gives nothing before its time, and at its time', () => {
    const heap = new DeadlineHeap();
    heap.push(7, 50);
    expect(heap.findDue(49.9)).toBeUndefined();
    expect(heap.findDue(50)).toBe(7);
  });
});
