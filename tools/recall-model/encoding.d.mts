import type { Conversation } from './generator.mjs';

/** The tokenizer's ids for ASCII text, synchronously. */
export class PieceEncoder {
  constructor(tokenizerJson?: string);
  encode(text: string): number[];
}

/** Token ids of a whole conversation, and which of them the model is to generate. */
export function encodeConversation(
  encoder: PieceEncoder,
  conversation: Conversation,
  maxTokens: number,
): { ids: number[]; isReply: boolean[]; numContextTokens: number };
