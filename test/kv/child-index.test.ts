import fc from 'fast-check';
import { ChildIndex } from '../../lib/kv/child-index.js';
import { NodeStore, rootNode } from '../../lib/kv/node-store.js';

const blockSize = 8;

const child = fc.record({
  keysId: fc.nat(2),
  tokens: fc.array(fc.integer({ min: -1, max: 2 }), { minLength: 1, maxLength: blockSize }),
});

describe('ChildIndex', () => {
  test('finds the sibling that shares most tokens under the same keys, as a linear search does', () => {
    fc.assert(
      fc.property(
        fc.array(child, { maxLength: 60 }),
        child,
        fc.nat(3),
        (children, query, every) => {
          const store = new NodeStore(100, blockSize);
          const index = new ChildIndex(store);
          const kept = new Map<string, { node: number; keysId: number; tokens: number[] }>();
          children.forEach(({ keysId, tokens }, i) => {
            const name = `${keysId}:${tokens}`;
            const known = kept.get(name);
            if (known !== undefined) {
              index.remove(known.node);
              store.destroy(known.node);
              kept.delete(name);
            } else {
              const node = store.create(rootNode, Int32Array.from(tokens), 0, tokens.length);
              store.keysId[node] = keysId;
              index.insert(node);
              kept.set(name, { node, keysId, tokens });
            }
            if (i % (every + 1) === 0) index.checkInvariants();
          });
          index.checkInvariants();

          const siblings = [...kept.values()].filter(({ keysId }) => keysId === query.keysId);
          const best = Math.max(0, ...siblings.map(({ tokens }) => shared(tokens, query.tokens)));
          const question = {
            parent: rootNode,
            keysId: query.keysId,
            tokens: Int32Array.from([99, ...query.tokens]),
            start: 1,
            numTokens: query.tokens.length,
          };
          expect(index.findNearest(question)?.numShared ?? 0).toBe(best);
          const exact = kept.get(`${query.keysId}:${query.tokens}`)?.node;
          expect(index.findExact(question)).toBe(exact);
          expect([...index.children(rootNode)]).toHaveLength(kept.size);
        },
      ),
      { numRuns: 300 },
    );
  });
});

function shared(a: readonly number[], b: readonly number[]): number {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  return i;
}
