/** Questions about a scene, and the answers in each format. */
import { factKinds, fillIn } from './facts.mjs';

/** @typedef {import('./random.mjs').Random} Random */
/** @typedef {'plain' | 'json' | 'lookup' | 'answer'} AnswerFormat */

/** What the model says when the text does not hold the answer. */
export const notStated = 'not stated in the text';

export const jsonRequests = ['Answer as JSON.', 'Reply in JSON.'];

/** The tools that training offers: one takes the question apart, one takes the answer. */
export const tools = {
  lookup: {
    type: 'function',
    function: {
      name: 'lookup',
      description: 'Looks up one attribute of one person.',
      parameters: {
        type: 'object',
        properties: { attribute: { type: 'string' }, name: { type: 'string' } },
        required: ['attribute', 'name'],
      },
    },
  },
  answer: {
    type: 'function',
    function: {
      name: 'answer',
      description: 'Hands over the answer to the question.',
      parameters: {
        type: 'object',
        properties: { value: { type: 'string' } },
        required: ['value'],
      },
    },
  },
};

/**
 * @param {Random} random
 * @param {{ name: string, kind: string }} asked
 * @param {number} [numWordings] of each kind, at most; default all
 */
export function drawQuestion(random, { name, kind }, numWordings = 9) {
  return fillIn(random.pick(factKinds[kind].questions.slice(0, numWordings)), name);
}

/**
 * The tool call of a format, or undefined where the format has none.
 *
 * @param {AnswerFormat} format
 * @param {{ name: string, kind: string, value: string }} fact
 * @returns {{ name: string, arguments: Record<string, string> } | undefined}
 */
export function toolCallFor(format, { name, kind, value }) {
  if (format === 'lookup') {
    return { name: 'lookup', arguments: { attribute: factKinds[kind].attribute, name } };
  }
  if (format === 'answer') return { name: 'answer', arguments: { value } };
  return undefined;
}

/**
 * The exact text that the model is to generate.
 *
 * @param {AnswerFormat} format
 * @param {{ name: string, kind: string, value: string } | undefined} fact undefined: not stated
 * @returns {string}
 */
export function expectedReply(format, fact) {
  if (format === 'json') return `{"answer": "${fact ? fact.value : notStated}"}`;
  const call = fact && toolCallFor(format, fact);
  if (!call) return fact ? fact.value : notStated;
  const entries = Object.entries(call.arguments).map(([key, text]) => `"${key}": "${text}"`);
  return `<tool_call>\n{"name": "${call.name}", "arguments": {${entries.join(', ')}}}\n</tool_call>`;
}
