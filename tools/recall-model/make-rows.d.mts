import type { Conversation, Split } from './generator.mjs';

/** One training row's conversation; `random` draws numbers in [0, 1). */
export function drawRow(
  random: unknown,
  split: Split,
  rowTokens: number,
  level: number,
): Conversation;
