import { NodeIndex } from '../../lib/kv/node-index.js';
import { NodeStore, rootNode } from '../../lib/kv/node-store.js';
import { countFrom } from './cache-fixture.js';

const hash = { lo: 12345, hi: -678 };

/** A node with the given hash, whatever its tokens. */
function addNode(store: NodeStore, index: NodeIndex, tokens: Int32Array, keysId = 0): number {
  const node = store.create(rootNode, tokens, 0, 8);
  store.hashLo[node] = hash.lo;
  store.hashHi[node] = hash.hi;
  store.keysId[node] = keysId;
  index.insert(node);
  return node;
}

describe('NodeIndex', () => {
  test('takes no node for another when their hashes collide: tokens, keys and parent decide', () => {
    const store = new NodeStore(10, 8);
    const index = new NodeIndex(store, hash);
    const first = addNode(store, index, countFrom(0, 8));
    expect(index.find(rootNode, 0, countFrom(1, 8), 0)).toBe(rootNode);
    const second = addNode(store, index, countFrom(1, 8));
    const third = addNode(store, index, countFrom(0, 8), 1);
    expect(index.find(rootNode, 0, countFrom(0, 8), 0)).toBe(first);
    expect(index.find(rootNode, 0, countFrom(0, 9), 1)).toBe(second);
    expect(index.find(rootNode, 1, countFrom(0, 8), 0)).toBe(third);
    expect(index.find(rootNode, 1, countFrom(1, 8), 0)).toBe(rootNode);
    expect(index.find(first, 0, countFrom(0, 8), 0)).toBe(rootNode);
    index.checkInvariants();
    index.remove(second);
    expect(index.find(rootNode, 0, countFrom(1, 8), 0)).toBe(rootNode);
    expect(index.find(rootNode, 0, countFrom(0, 8), 0)).toBe(first);
  });
});
