import { strict as assert } from 'node:assert';
import type { BlockTable, PrefixCache } from '../kv/index.js';
import type { SaltQuotas } from './salt-quota.js';
import type { Scheduler } from './scheduler.js';
import type { Request, Sequence } from './sequence.js';

/** What {@link checkInvariants} looks at. */
export interface EngineState {
  readonly cache: PrefixCache;
  readonly scheduler: Scheduler;
  readonly requests: Iterable<Request>;
  readonly maxSeqs: number;
  readonly quotas: SaltQuotas;
}

/**
 * Asserts what holds between any two tasks: every open sequence stands in exactly one place, every table
 * row belongs to one of them or is free, no salt has more rows than its part, and every block is held exactly by
 * the tables that name it.
 */
export function checkInvariants(state: EngineState): void {
  const { cache, scheduler, requests, maxSeqs, quotas } = state;
  const running = new Set(scheduler.running);
  const waiting = new Set(scheduler.waiting.toArray());
  assert.equal(running.size, scheduler.running.length, 'a sequence runs twice');
  assert.equal(waiting.size, scheduler.waiting.length, 'a sequence waits twice');
  const open = [...requests].flatMap(({ sequences }) => [...sequences]);
  assert.equal(open.length, running.size + waiting.size, 'open sequences');
  for (const sequence of open) {
    const isRunning = running.has(sequence);
    assert(isRunning !== waiting.has(sequence), 'a sequence neither runs nor waits, or both');
    assert.equal(sequence.state, isRunning ? 'running' : 'waiting');
    checkSequence(sequence, cache.allocator.blockSize);
  }
  checkRows(scheduler, maxSeqs);
  quotas.checkInvariants(scheduler.running);
  cache.checkInvariants(scheduler.running.map(({ table }) => table as BlockTable));
}

function checkSequence(sequence: Sequence, blockSize: number): void {
  const { state, table, rows, numComputed, numSubmitted, numTokens, inFlight } = sequence;
  if (state === 'waiting') {
    assert(table === undefined && rows.length === 0, 'a waiting sequence holds blocks or rows');
    assert.equal(numComputed + numSubmitted, 0, 'a waiting sequence has computed tokens');
    return;
  }
  assert(table !== undefined && rows.length > 0, 'a running sequence lacks blocks or rows');
  assert(numComputed < numTokens, `${numComputed} of ${numTokens} tokens are computed`);
  assert(table.numBlocks * blockSize >= numSubmitted, 'submitted tokens without a block');
  assert.equal(numSubmitted, inFlight.at(-1)?.end ?? numComputed, 'submitted tokens');
  assert(inFlight.length <= 2, `${inFlight.length} chunks in flight`);
  for (const chunk of inFlight) assert(!chunk.isVoid && chunk.table === table, 'a stale chunk');
  const blocks = table.blocks.subarray(0, table.numBlocks);
  assert(!blocks.includes(0), 'the null block is in a block table');
  assert.equal(new Set(blocks).size, blocks.length, 'a block stands twice in one table');
}

function checkRows(scheduler: Scheduler, maxSeqs: number): void {
  const held = scheduler.running.flatMap(({ rows }) => rows);
  assert.equal(new Set(held).size, held.length, 'a table row has two owners');
  assert.equal(held.length + scheduler.numFreeRows, maxSeqs, 'table rows');
}
