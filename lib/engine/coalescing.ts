import type { Sequence } from './sequence.js';
import { numCommonTokens } from './token-list.js';

/**
 * Finds the running sequence that will still compute a block which a waiting one needs too, so that
 * waiting for it saves computing the block twice.
 *
 * A sequence computes a common token for both when it has yet to run it. The token can be hit once
 * the step that fills its block, or ends the prompt inside the block, is submitted.
 *
 * @param waiting looks up the cache; holds nothing
 * @param numCached tokens that the cache can give it now
 * @param running sequences with blocks
 * @returns the one that gives most, and the position up to which it must have computed
 */
export function findProducer(
  waiting: Sequence,
  numCached: number,
  running: Iterable<Sequence>,
  blockSize: number,
): Sequence['waitsFor'] {
  let mostTokens = numCached;
  let best: Sequence['waitsFor'];
  for (const producer of running) {
    if (!canProduceFor(producer, waiting)) continue;
    const numCommon = numHittable(producer, waiting);
    if (numCommon <= mostTokens) continue;
    const blockEnd = Math.ceil(numCommon / blockSize) * blockSize;
    const untilComputed = Math.min(blockEnd, producer.numTokens);
    if (producer.numComputed >= untilComputed) continue;
    mostTokens = numCommon;
    best = { producer, untilComputed };
  }
  return best;
}

/** Whether what it waits for is still to come; false sends it back to the cache. */
export function isStillWaiting({ waitsFor }: Sequence): boolean {
  if (waitsFor === undefined) return false;
  const { producer, untilComputed } = waitsFor;
  return producer.state === 'running' && producer.numComputed < untilComputed;
}

function canProduceFor(producer: Sequence, waiting: Sequence): boolean {
  const options = producer.request.options;
  return (
    producer.state === 'running' &&
    !producer.isDecoding &&
    options.maxKeepTokens > 0 &&
    saltOf(producer) === saltOf(waiting)
  );
}

/** Leading tokens that the waiting sequence could take from the producer when that has run them all. */
function numHittable(producer: Sequence, waiting: Sequence): number {
  const numCommon = numCommonTokens(producer.tokens.view(), waiting.tokens.view());
  return Math.min(numCommon, waiting.numTokens - 1, producer.request.options.maxKeepTokens);
}

function saltOf(sequence: Sequence): string | undefined {
  return sequence.request.options.extraKeys?.find(([kind]) => kind === 'salt')?.[1];
}
