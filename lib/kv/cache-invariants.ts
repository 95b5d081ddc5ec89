import { strict as assert } from 'node:assert';
import type { BlockTable } from './block-table.js';
import type { CacheParts } from './cache-parts.js';
import { NodeFlag } from './node-store.js';

/**
 * Checks every invariant of every part, and those between them.
 *
 * @param tables all tables that hold blocks; with them, each reference must have an owner
 * @throws {AssertionError} naming the first thing that is not as it must be
 */
export function checkCache(parts: CacheParts, tables: Iterable<BlockTable> | undefined): void {
  const { allocator, trie, pool, ghosts, pins, events, leases } = parts;
  allocator.checkInvariants();
  pool.checkInvariants();
  ghosts.checkInvariants();
  pins.checkInvariants();
  events.checkInvariants();
  leases.checkInvariants();
  for (const node of trie.store.nodes()) {
    if (trie.store.has(node, NodeFlag.tail)) continue;
    const ghost = ghosts.find(trie.store.hashLo[node], trie.store.hashHi[node]);
    assert.equal(ghost, undefined, `node ${node} lives and is a ghost`);
  }
  const living = tables === undefined ? undefined : [...tables].filter((table) => !table.isFreed);
  trie.checkInvariants(living === undefined ? undefined : countKeyUsers(living));
  if (living !== undefined) checkReferences(parts, living);
}

function checkReferences(parts: CacheParts, tables: readonly BlockTable[]): void {
  const { allocator, pool, pins, leases } = parts;
  const numRefs = new Int32Array(allocator.numBlocks);
  for (const table of tables) {
    for (let i = 0; i < table.numBlocks; i++) numRefs[table.blocks[i]]++;
  }
  for (let block = 0; block < allocator.numBlocks; block++) {
    assert.equal(pool.holders.countTables(block), numRefs[block], `tables with block ${block}`);
  }
  for (const source of leases.heldSources()) numRefs[source]++;
  for (let block = 0; block < allocator.numBlocks; block++) {
    const expected = numRefs[block] + pins.getPinCount(block);
    assert.equal(allocator.getRefCount(block), expected, `references on block ${block}`);
  }
}

function countKeyUsers(tables: readonly BlockTable[]): Map<number, number> {
  const numUsers = new Map<number, number>();
  for (const { keys } of tables) {
    for (const { id } of [keys.first, keys.later]) {
      if (id === undefined || id === 0) continue;
      numUsers.set(id, (numUsers.get(id) ?? 0) + 1);
    }
  }
  return numUsers;
}
