/**
 * Prints single questions as token ids, one JSON object a line: the prompt, the right reply, and
 * the reply that would state the asked fact (the same one, unless the fact is removed).
 *
 * Usage: node make-questions.mjs COUNT SEED FORMAT stated|removed [MAX_TOKENS]
 */
import { expectedReply } from './dialogue.mjs';
import { encodeConversation, PieceEncoder } from './encoding.mjs';
import { generateQuestions, generateRemoved } from './generator.mjs';

/** @typedef {import('./generator.mjs').Question} Question */

const [count, seed, format, kind, maxTokens = '3900'] = process.argv.slice(2);
const encoder = new PieceEncoder();
const draw = kind === 'removed' ? generateRemoved : generateQuestions;

/** @param {Question} question */
function encodePrompt({ messages, tools, format, expected, fact, sentences }) {
  const turns = [
    { role: /** @type {const} */ ('user'), question: messages[1].content, reply: expected },
  ];
  const scene = { facts: [fact], sentences, separator: ' ' };
  const conversation = {
    system: messages[0].content,
    tools,
    format,
    turns,
    inUserMessage: false,
    scene,
  };
  const { ids, isReply } = encodeConversation(encoder, conversation, Number.POSITIVE_INFINITY);
  return ids.filter((_, index) => !isReply[index]);
}

const questions = draw({
  split: 'test',
  count: Number(count),
  seed,
  format: /** @type {'plain'} */ (format),
  maxTokens: Number(maxTokens),
});
for (const question of questions) {
  const record = {
    prompt: encodePrompt(question),
    reply: encoder.encode(`${question.expected}<|end|>`),
    stated: encoder.encode(`${expectedReply(question.format, question.fact)}<|end|>`),
    question: question.messages[1].content,
  };
  console.log(JSON.stringify(record));
}
