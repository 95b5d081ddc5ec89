/**
 * The one generator of texts, questions and answers: training, tests and `npm start` use it.
 * Everything follows from the seed and the options.
 */
import { drawQuestion, expectedReply, jsonRequests, notStated, tools } from './dialogue.mjs';
import { Random } from './random.mjs';
import { drawAbsent, drawScene } from './scene.mjs';

export { factKinds, kindNames } from './facts.mjs';
export { splitOf } from './names.mjs';
export { notStated, tools };

/** @typedef {import('./names.mjs').Split} Split */
/** @typedef {import('./scene.mjs').Fact} Fact */
/** @typedef {import('./scene.mjs').Scene} Scene */
/** @typedef {import('./dialogue.mjs').AnswerFormat} AnswerFormat */
/** @typedef {{ role: string, content: string }} Message */

/**
 * @typedef {object} Question
 * @property {Message[]} messages a system message with the text, then one question
 * @property {object[]} [tools] offered with the question
 * @property {AnswerFormat} format
 * @property {string} expected the exact reply
 * @property {Fact} fact the asked fact; `generateRemoved` has taken it out of the text
 * @property {string[]} sentences of the text, in order
 * @property {number} sentenceIndex where the fact's sentence stands, or stood
 * @property {number} numFacts in the text
 */

/**
 * @typedef {object} QuestionOptions
 * @property {Split} split
 * @property {number} count
 * @property {number | string} seed
 * @property {number} [minTokens] about the shortest text; default 200
 * @property {number} [maxTokens] about the longest text; default 3900, which keeps text, question
 *   and answer within 4096
 * @property {number} [maxFacts] default 64
 * @property {AnswerFormat} [format] default 'plain'
 */

const tokensPerFact = 15;

/**
 * @param {Random} random
 * @param {QuestionOptions} options
 * @param {number} index
 * @param {boolean} removed
 * @returns {Question}
 */
function drawOne(random, options, index, removed) {
  const { split, count, minTokens = 200, maxTokens = 3900, maxFacts = 64 } = options;
  const { format = 'plain' } = options;
  const targetTokens = Math.round(minTokens + ((maxTokens - minTokens) * (index + 0.5)) / count);
  const mostFacts = Math.min(maxFacts, Math.floor((targetTokens * 0.9) / tokensPerFact));
  const numFacts = random.integer(Math.min(4, mostFacts), mostFacts);
  const scene = drawScene(random, { split, numFacts, targetTokens });
  const fact = random.pick(scene.facts);
  const sentenceIndex = scene.sentences.indexOf(fact.sentence);
  const sentences = removed ? scene.sentences.toSpliced(sentenceIndex, 1) : scene.sentences;
  const request = format === 'json' ? ` ${random.pick(jsonRequests)}` : '';
  return {
    messages: [
      { role: 'system', content: sentences.join(scene.separator) },
      { role: 'user', content: drawQuestion(random, fact) + request },
    ],
    ...(format === 'lookup' || format === 'answer' ? { tools: [tools[format]] } : {}),
    format,
    expected: expectedReply(format, removed ? undefined : fact),
    fact,
    sentences,
    sentenceIndex,
    numFacts: removed ? numFacts - 1 : numFacts,
  };
}

/**
 * Questions about facts anywhere in texts of all lengths between the bounds.
 *
 * @param {QuestionOptions} options
 * @returns {Question[]} `count` of them; lengths rise evenly from the first to the last
 */
export function generateQuestions(options) {
  return Array.from({ length: options.count }, (_, index) =>
    drawOne(new Random(`${options.seed}/${index}`), options, index, false),
  );
}

/**
 * The same questions as `generateQuestions`, with the asked fact's sentence taken out of the text.
 *
 * @param {QuestionOptions} options
 * @returns {Question[]} whose expected reply says that it is not stated
 */
export function generateRemoved(options) {
  return Array.from({ length: options.count }, (_, index) =>
    drawOne(new Random(`${options.seed}/${index}`), options, index, true),
  );
}

/**
 * @typedef {object} Turn
 * @property {'user' | 'tool'} role who speaks before the reply
 * @property {string} question or what the tool returned
 * @property {string} reply the exact text of the right reply
 * @property {Fact} [fact] undefined: not stated
 */

/**
 * @typedef {object} Conversation
 * @property {string} system the text, with a request for JSON where one is made there
 * @property {object[]} [tools]
 * @property {boolean} inUserMessage the text stands in front of the first question
 * @property {AnswerFormat} format
 * @property {Turn[]} turns
 * @property {Scene} scene
 */

/**
 * @typedef {object} ConversationOptions
 * @property {Split} split
 * @property {number} targetTokens of the text; 0 adds no filler
 * @property {number} numFacts
 * @property {number} numTurns
 * @property {number} [numKinds] at most so many kinds of facts occur; default all
 * @property {number} [numWordings] of each kind, at most; default all
 * @property {AnswerFormat} [format] default 'plain'
 * @property {number} [absentFraction] of the turns; default 0.25
 * @property {boolean} [toolResults] a lookup's result follows its call; default false
 * @property {boolean} [clock] a line with the time stands in front of the text; default false
 * @property {boolean} [inUserMessage] default false
 */

/** @param {Random} random */
export function drawClockLine(random) {
  const twoDigits = (/** @type {number} */ value) => String(value).padStart(2, '0');
  return `The time is ${twoDigits(random.integer(0, 23))}:${twoDigits(random.integer(0, 59))}.`;
}

/**
 * Many turns about one text.
 *
 * @param {Random} random
 * @param {ConversationOptions} options
 * @returns {Conversation}
 */
export function drawConversation(random, options) {
  const { split, targetTokens, numFacts, numTurns, absentFraction = 0.25 } = options;
  const { format = 'plain', clock = false, inUserMessage = false } = options;
  const { toolResults = false } = options;
  const { numKinds, numWordings } = options;
  const scene = drawScene(random, { split, numFacts, targetTokens, numKinds, numWordings });
  if (clock) scene.sentences.unshift(drawClockLine(random));
  const jsonInSystem = format === 'json' && !inUserMessage && random.chance(0.5);
  const request = format === 'json' ? random.pick(jsonRequests) : '';
  const asked = random.shuffle(scene.facts);
  const drawTurn = (/** @type {number} */ index) => {
    const isAbsent = asked.length === 0 || random.chance(absentFraction);
    const fact = isAbsent ? undefined : asked[index % asked.length];
    const place = fact ?? drawAbsent(random, split, scene);
    const question = drawQuestion(random, place, numWordings);
    /** @type {Turn} */
    const turn = {
      role: 'user',
      question: format === 'json' && !jsonInSystem ? `${question} ${request}` : question,
      reply: expectedReply(format, fact),
      fact,
    };
    if (!fact || !toolResults || format !== 'lookup') return [turn];
    /** @type {Turn} */
    const result = { role: 'tool', question: fact.value, reply: fact.value, fact };
    return [turn, result];
  };
  const turns = Array.from({ length: numTurns }, (_, index) => drawTurn(index)).flat();
  const text = scene.sentences.join(scene.separator);
  return {
    system: jsonInSystem ? [text, request].join(scene.separator).trim() : text,
    ...(format === 'lookup' || format === 'answer' ? { tools: [tools[format]] } : {}),
    inUserMessage,
    format,
    turns,
    scene,
  };
}

/**
 * `drawConversation` from a seed.
 *
 * @param {number | string} seed
 * @param {ConversationOptions} options
 */
export function generateConversation(seed, options) {
  return drawConversation(new Random(seed), options);
}

/**
 * The conversation as the messages that a chat template takes.
 *
 * @param {Conversation} conversation
 * @param {number} numTurns the first so many, each with its reply
 * @returns {Message[]}
 */
export function messagesOf({ system, inUserMessage, turns }, numTurns) {
  const messages = inUserMessage ? [] : [{ role: 'system', content: system }];
  for (const [index, { role, question, reply }] of turns.slice(0, numTurns).entries()) {
    const text = inUserMessage && index === 0 ? `${system}\n` : '';
    messages.push({ role, content: text + question });
    messages.push({ role: 'assistant', content: reply });
  }
  return messages;
}
