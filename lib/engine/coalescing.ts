import type { Sequence } from './sequence.js';
import { numCommonTokens } from './token-list.js';
import { saltOf } from './validation.js';

/** Part of a block that is worth waiting for: less is computed at once, where waiting costs a step. */
const leastFraction = 0.5;

/**
 * Finds the running sequence that will still compute a block, or half of one, which a waiting one needs too, so that
 * waiting for it saves computing the block twice.
 *
 * A sequence computes a common token for both when it has yet to run it. The token can be hit once
 * the step that fills its block is submitted, or the one that ends the prompt inside the block has completed.
 *
 * @param waiting looks up the cache; holds nothing
 * @param numCached tokens that the cache can give it now
 * @param running sequences with blocks
 * @returns the one that gives most, and the position up to which it must have got
 */
export function findProducer(
  waiting: Sequence,
  numCached: number,
  running: Iterable<Sequence>,
  blockSize: number,
): Sequence['waitsFor'] {
  let mostTokens = 0;
  let best: Sequence['waitsFor'];
  for (const producer of running) {
    if (!canProduceFor(producer, waiting)) continue;
    const numCommon = numWorthwhile(numHittable(producer, waiting), blockSize);
    const isWorthAStep = numCommon - numCached >= leastFraction * blockSize;
    if (!isWorthAStep || numCommon <= mostTokens) continue;
    const blockEnd = Math.ceil(numCommon / blockSize) * blockSize;
    const isTail = blockEnd > producer.numTokens;
    const waitsFor = { producer, until: isTail ? producer.numTokens : blockEnd, isTail };
    if (!isToCome(waitsFor)) continue;
    mostTokens = numCommon;
    best = waitsFor;
  }
  return best;
}

/** Whether what it waits for is still to come; false sends it back to the cache. */
export function isStillWaiting({ waitsFor }: Sequence): boolean {
  return waitsFor !== undefined && waitsFor.producer.state === 'running' && isToCome(waitsFor);
}

function isToCome({ producer, until, isTail }: NonNullable<Sequence['waitsFor']>): boolean {
  return (isTail ? producer.numComputed : producer.numSubmitted) < until;
}

function canProduceFor(producer: Sequence, waiting: Sequence): boolean {
  const options = producer.request.options;
  return (
    producer.state === 'running' &&
    !producer.isDecoding &&
    options.maxKeepTokens > 0 &&
    saltOf(options.extraKeys) === saltOf(waiting.request.options.extraKeys)
  );
}

/** Leading tokens that the waiting sequence could take from the producer when that has run them all. */
function numHittable(producer: Sequence, waiting: Sequence): number {
  const numCommon = numCommonTokens(producer.tokens.view(), waiting.tokens.view());
  return Math.min(numCommon, waiting.numTokens - 1, producer.request.options.maxKeepTokens);
}

/** Leaves the last block away when too little of it is common: its copy is not worth a step. */
function numWorthwhile(numCommon: number, blockSize: number): number {
  const numInLast = numCommon % blockSize;
  return numInLast < leastFraction * blockSize ? numCommon - numInLast : numCommon;
}
