/**
 * Conversations as token ids with a mask of the tokens that the model is to generate.
 *
 * The encoder is a synchronous double of tokenizer.json for ASCII text, because training encodes
 * hundreds of thousands of texts; a test holds it equal to the real tokenizer and template.
 */
import { readFileSync } from 'node:fs';

/** @typedef {import('./generator.mjs').Conversation} Conversation */

const modelFolder = new URL('../../models/recall/', import.meta.url);

/** Byte-level BPE over the pieces of one Split pattern, each piece encoded once. */
export class PieceEncoder {
  /** @param {string} [tokenizerJson] the text of tokenizer.json; default: the committed one */
  constructor(tokenizerJson = readFileSync(new URL('tokenizer.json', modelFolder), 'utf8')) {
    const { model, pre_tokenizer: preTokenizer, added_tokens: added } = JSON.parse(tokenizerJson);
    /** @type {Map<string, number>} */
    this.vocabulary = new Map(Object.entries(model.vocab));
    /** @type {Map<string, number>} */
    this.ranks = new Map(
      model.merges.map((/** @type {string[]} */ pair, /** @type {number} */ rank) => [
        pair.join(' '),
        rank,
      ]),
    );
    const escaped = added.map((/** @type {{ content: string }} */ { content }) =>
      content.replace(/[|]/g, '\\|'),
    );
    this.special = new RegExp(`(${escaped.join('|')})`);
    this.pattern = new RegExp(preTokenizer.pretokenizers[0].pattern.Regex, 'g');
    /** @type {Map<string, number[]>} */
    this.encoded = new Map();
  }

  /**
   * @param {string} text ASCII
   * @returns {number[]} token ids
   */
  encode(text) {
    return text.split(this.special).flatMap((part) => {
      if (this.special.test(part)) return this.encodeOnce(part);
      return (part.match(this.pattern) ?? []).flatMap((piece) => this.encodeOnce(piece));
    });
  }

  /** @param {string} piece */
  encodeOnce(piece) {
    let ids = this.encoded.get(piece);
    if (!ids) {
      ids = this.encodePiece(piece);
      this.encoded.set(piece, ids);
    }
    return ids;
  }

  /**
   * @param {string} piece
   * @returns {number[]}
   */
  encodePiece(piece) {
    const whole = this.vocabulary.get(piece);
    if (whole !== undefined) return [whole];
    const parts = [...piece.replaceAll(' ', 'Ġ').replaceAll('\n', 'Ċ')];
    for (;;) {
      let best = Number.POSITIVE_INFINITY;
      let at = -1;
      for (let index = 0; index + 1 < parts.length; index++) {
        const rank = this.ranks.get(`${parts[index]} ${parts[index + 1]}`) ?? best;
        if (rank < best) {
          best = rank;
          at = index;
        }
      }
      if (at < 0) return parts.map((part) => /** @type {number} */ (this.vocabulary.get(part)));
      parts.splice(at, 2, parts[at] + parts[at + 1]);
    }
  }
}

/**
 * What the chat template renders up to the first question's role token.
 *
 * @param {Conversation} conversation
 */
function renderHead({ system, tools, inUserMessage }) {
  const signatures = (tools ?? []).map((tool) => {
    const { name, parameters } = /** @type {any} */ (tool).function;
    return `\n${name}(${Object.keys(parameters.properties).join(', ')})`;
  });
  const offered = tools ? `\n<tools>${signatures.join('')}\n</tools>` : '';
  const content = (inUserMessage ? '' : system) + offered;
  return content || !inUserMessage ? `<|begin|><|system|>${content}<|end|>` : '<|begin|>';
}

/**
 * @param {PieceEncoder} encoder
 * @param {Conversation} conversation
 * @param {number} maxTokens turns past it are left out
 * @returns {{ ids: number[], isReply: boolean[], numContextTokens: number }}
 */
export function encodeConversation(encoder, conversation, maxTokens) {
  const ids = encoder.encode(renderHead(conversation));
  const numContextTokens = ids.length;
  const isReply = ids.map(() => false);
  for (const [index, { role, question, reply }] of conversation.turns.entries()) {
    const text = conversation.inUserMessage && index === 0 ? `${conversation.system}\n` : '';
    const asked = encoder.encode(`<|${role}|>${text}${question}<|end|><|assistant|>`);
    const replied = encoder.encode(`${reply}<|end|>`);
    if (ids.length + asked.length + replied.length > maxTokens) break;
    ids.push(...asked, ...replied);
    isReply.push(...asked.map(() => false), ...replied.map(() => true));
  }
  return { ids, isReply, numContextTokens };
}
