/**
 * Prints an endless stream of training rows: per row `rowTokens` pairs of uint16, the token id and
 * whether the model is to generate it.
 *
 * Usage: node make-rows.mjs ROW_TOKENS SEED [SPLIT] [LEVEL]
 * LEVEL: -1 one wording and every answer stated; 0 plain replies; 1 everything.
 */
import { once } from 'node:events';
import { encodeConversation, PieceEncoder } from './encoding.mjs';
import { drawConversation } from './generator.mjs';
import { Random } from './random.mjs';

/** @typedef {import('./dialogue.mjs').AnswerFormat} AnswerFormat */

const tokensPerFact = 15;
const tokensPerTurn = 16;

/**
 * @param {Random} random
 * @returns {AnswerFormat}
 */
function drawFormat(random) {
  const draw = random.next();
  if (draw < 0.6) return 'plain';
  if (draw < 0.85) return 'json';
  return draw < 0.93 ? 'lookup' : 'answer';
}

/**
 * @param {Random} random
 * @param {import('./generator.mjs').Split} split
 * @param {number} rowTokens
 * @param {number} level
 */
export function drawRow(random, split, rowTokens, level) {
  const contextFraction = 0.25 + (rowTokens > 512 ? 0.6 : 0.4) * random.next();
  const mostTokens = Math.floor(rowTokens * contextFraction);
  const isSparse = random.chance(0.3);
  const mostFacts = Math.max(1, Math.min(64, Math.floor(mostTokens / tokensPerFact)));
  const numFacts = random.integer(isSparse ? 1 : Math.ceil(mostFacts / 2), mostFacts);
  const hasFiller = random.chance(level > 0 ? 0.85 : level < 0 ? 0.1 : 0.3);
  return drawConversation(random, {
    split,
    numFacts: level > 0 && random.chance(0.01) ? 0 : numFacts,
    numWordings: level < 0 ? 1 : undefined,
    numKinds: random.chance(level > 0 ? 0.4 : 0.7) ? random.integer(1, 3) : undefined,
    targetTokens: hasFiller ? mostTokens : 0,
    numTurns: Math.ceil((rowTokens - mostTokens) / tokensPerTurn) + 2,
    format: level > 0 ? drawFormat(random) : 'plain',
    absentFraction: level > 0 ? 0.25 : level < 0 ? 0 : 0.03,
    toolResults: random.chance(0.5),
    clock: random.chance(level < 0 ? 0 : 0.1),
    inUserMessage: random.chance(0.06),
  });
}

async function main() {
  const rowTokens = Number(process.argv[2]);
  const random = new Random(process.argv[3]);
  const split = process.argv[4] === 'test' ? 'test' : 'train';
  const level = Number(process.argv[5] ?? 1);
  const encoder = new PieceEncoder();
  const rowsPerWrite = Math.max(1, Math.floor(16384 / rowTokens));
  for (;;) {
    const block = new Uint16Array(rowsPerWrite * rowTokens * 2);
    for (let row = 0; row < rowsPerWrite; row++) {
      const conversation = drawRow(random, split, rowTokens, level);
      const { ids, isReply } = encodeConversation(encoder, conversation, rowTokens);
      for (const [index, id] of ids.entries()) {
        block[(row * rowTokens + index) * 2] = id;
        block[(row * rowTokens + index) * 2 + 1] = Number(isReply[index]);
      }
    }
    if (!process.stdout.write(new Uint8Array(block.buffer))) await once(process.stdout, 'drain');
  }
}

if (import.meta.filename === process.argv[1]) {
  process.stdout.on('error', () => process.exit(0));
  await main();
}
