import type { Sequence } from './sequence.js';

/**
 * Whether a sequence's next row can be planned while the token that stands in it is still being drawn: then
 * the device takes the token from its own samples, and the engine sees it one step later.
 *
 * False for a sequence of which something must be decided, or sent to its sampling slot, between that
 * token and the next.
 */
export function canRunAhead(sequence: Sequence): boolean {
  const { n, minTokens } = sequence.request.options;
  if (sequence.startsSiblings && n > 1) return false; // the other samples start from the finished prompt
  if (sequence.masks !== undefined) return false; // what it may draw follows from its last token
  const numDrawn = sequence.numOutputTokens + sequence.numPendingTokens;
  return numDrawn !== minTokens; // from here on it may stop, and its slot must know
}

/**
 * Whether a step may be planned while another is in flight.
 *
 * Only when nobody would have to sit it out: a step costs about the same with one row less, so that leaving a
 * sequence behind costs a step, and waiting for its token only the gap between two.
 */
export function canPlanAhead(running: readonly Sequence[]): boolean {
  return running.every(
    (sequence) =>
      sequence.numPendingTokens === 0 || sequence.isDrawingLast || canRunAhead(sequence),
  );
}
