/** Sentences that state no fact about anybody: filler between the facts. */

/** @typedef {import('./random.mjs').Random} Random */

const words = (/** @type {string} */ text) => text.trim().split(/\s+/);

const things = words(`
  river road bridge market garden forest harbour tower window door field hill valley lake shore
  street square station library kitchen roof wall path island meadow`);
const qualities = words('old quiet small long cold warm bright dark wide empty narrow busy');
const events = words('storm rain snow wind fog winter summer spring autumn morning evening night');
const moves = words('rose fell changed waited slept moved turned shone rested grew faded stayed');
const manners = words('slowly gently early late again softly quickly often rarely');

/** @type {readonly string[]} */
const wordings = [
  'The {quality} {thing} {move} {manner} after the {event}.',
  'In the {event} the {thing} {move} and the {thing} {move}.',
  'Nobody knows why the {thing} by the {quality} {thing} {move} so {manner}.',
  'A {quality} {event} came over the {thing} and the {quality} {thing}.',
  'It was a {quality} {event}, and everything near the {thing} {move} {manner}.',
  'Before the {event} there was only a {thing} and a {quality} {thing}.',
];

const lists = { thing: things, quality: qualities, event: events, move: moves, manner: manners };

/**
 * @param {Random} random
 * @returns {string} one sentence of about 12 to 18 tokens
 */
export function drawSentence(random) {
  return random
    .pick(wordings)
    .replace(/\{(\w+)\}/g, (_, list) => random.pick(lists[/** @type {'thing'} */ (list)]));
}

/** Every word that the filler can hold; the tokenizer is trained on them. */
export const proseWords = [...new Set([...Object.values(lists).flat(), ...wordings])];
