import { ownedSlots, type PagedBatch, slotOf } from './paged-batch.js';
import type { Random } from './random.js';

/**
 * What the numbers of an attention case are like.
 *
 * - `mixed`: normal numbers, with the scores of positions at every edge (of blocks, tiles, windows,
 *   the context) raised, so that one of them left out or let in shows even among a thousand;
 * - `needle`: each row of each head looks at one position only and must give its value back;
 * - `spiky`: scores of hundreds, whose exponentials overflow unless the maximum is taken off.
 */
export type AttentionContent = 'mixed' | 'needle' | 'spiky';

/** Inputs of an attention case. */
export interface AttentionNumbers {
  /** `[numTokens, numHeads, headDim]` */
  readonly q: Float32Array;
  /** The slots that hold something. */
  readonly slots: Int32Array;
  /** `[slots.length, numKvHeads, headDim]` */
  readonly key: Float32Array;
  readonly value: Float32Array;
  /** `[numHeads]` */
  readonly sinks: Float32Array;
}

/** Extents that the numbers are made for. */
export interface AttentionExtents {
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  /** -1 is off. */
  readonly window: number;
}

/** How much higher the raised scores of `mixed` are, before softcap. */
const raise = 5;
/** Factor of a needle's query; a power of two, so that scores are exact in every dtype. */
const needleFactor = 8;
const spikyDeviation = 24;

/** Draws the numbers of a case; in every content, each element of q, K and V matters. */
export function makeAttentionNumbers(
  random: Random,
  batch: PagedBatch,
  extents: AttentionExtents,
  content: AttentionContent,
): AttentionNumbers {
  const { numHeads, numKvHeads, headDim } = extents;
  const slots = ownedSlots(batch);
  const qLength = batch.numTokens * numHeads * headDim;
  const width = numKvHeads * headDim;
  const numbers = {
    q: random.normals(qLength, content === 'spiky' ? spikyDeviation : 1),
    slots,
    key: random.normals(slots.length * width),
    value: random.normals(slots.length * width),
    sinks: random.normals(numHeads).map((x) => x + raise),
  };
  if (content === 'mixed') raiseEdges(random, batch, extents, numbers);
  if (content === 'needle') pointAtNeedles(random, batch, extents, numbers);
  return numbers;
}

/** Adds one common direction to every query and to the keys of all edge positions. */
function raiseEdges(
  random: Random,
  batch: PagedBatch,
  extents: AttentionExtents,
  numbers: AttentionNumbers,
): void {
  const { headDim, numKvHeads, window } = extents;
  const amount = Math.sqrt(raise / Math.sqrt(headDim));
  const direction = Array.from({ length: headDim }, () => random.pick([-amount, amount]));
  numbers.q.forEach((_, i) => {
    numbers.q[i] += direction[i % headDim];
  });
  const placeOfSlot = new Map([...numbers.slots].map((slot, i) => [slot, i]));
  const raised = new Set<number>();
  batch.sequences.forEach((_, s) => {
    for (const p of edgePositions(batch, s, window)) {
      raised.add(placeOfSlot.get(slotOf(batch, s, p))!);
    }
  });
  for (const place of raised) {
    for (let i = 0; i < numKvHeads * headDim; i++) {
      numbers.key[place * numKvHeads * headDim + i] += direction[i % headDim];
    }
  }
}

/** Positions where kernels change path: ends of the context, of blocks, tiles, splits and windows. */
function edgePositions(batch: PagedBatch, sequence: number, window: number): Set<number> {
  const { queryLen, contextLen } = batch.sequences[sequence];
  const { blockSize } = batch;
  const firstRow = contextLen - queryLen;
  const edges = [0, blockSize, 64, 1024, firstRow, contextLen];
  edges.push(Math.floor((contextLen - 1) / blockSize) * blockSize);
  edges.push(Math.floor((contextLen - 1) / 64) * 64);
  if (window !== -1) edges.push(firstRow - window, contextLen - 1 - window);
  const positions = edges.flatMap((edge) => [edge - 1, edge]);
  return new Set(positions.filter((p) => p >= batch.firstVisible[sequence] && p < contextLen));
}

/** Keys of random signs; each row of each head gets the key of one visible position as its query. */
function pointAtNeedles(
  random: Random,
  batch: PagedBatch,
  extents: AttentionExtents,
  numbers: AttentionNumbers,
): void {
  const { headDim, numHeads, numKvHeads } = extents;
  numbers.key.forEach((x, i) => {
    numbers.key[i] = x < 0 ? -1 : 1;
  });
  const placeOfSlot = new Map([...numbers.slots].map((slot, i) => [slot, i]));
  batch.sequences.forEach(({ queryLen, contextLen }, s) => {
    for (let row = Math.max(0, queryLen - contextLen); row < queryLen; row++) {
      for (let head = 0; head < numHeads; head++) {
        const needle = pickNeedle(random, batch, s, contextLen - queryLen + row, extents.window);
        const place = placeOfSlot.get(slotOf(batch, s, needle))!;
        const kvHead = Math.floor(head / (numHeads / numKvHeads));
        const from = (place * numKvHeads + kvHead) * headDim;
        const to = ((batch.queryStart[s] + row) * numHeads + head) * headDim;
        for (let d = 0; d < headDim; d++) {
          numbers.q[to + d] = needleFactor * numbers.key[from + d];
        }
      }
    }
  });
}

/** A position that the row at `position` sees: one at an edge every other time, or any. */
function pickNeedle(
  random: Random,
  batch: PagedBatch,
  sequence: number,
  position: number,
  window: number,
): number {
  const first = window === -1 ? 0 : Math.max(0, position - window);
  const edges = [...edgePositions(batch, sequence, window)];
  const visible = edges.filter((p) => p >= first && p <= position);
  if (visible.length > 0 && random.uniform() < 0.5) return random.pick(visible);
  return random.integer(first, position + 1);
}
