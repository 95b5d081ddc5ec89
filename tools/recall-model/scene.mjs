/** A text whose truth is known: facts about people, shuffled into filler prose. */
import { factKinds, fillIn, kindNames } from './facts.mjs';
import { drawName } from './names.mjs';
import { drawSentence } from './prose.mjs';

/** @typedef {import('./names.mjs').Split} Split */
/** @typedef {import('./random.mjs').Random} Random */

/**
 * @typedef {object} Fact
 * @property {string} name the person
 * @property {string} kind a key of `factKinds`
 * @property {string} value
 * @property {string} sentence how the text states it
 */

/**
 * @typedef {object} Scene
 * @property {Fact[]} facts at most one per person and kind, in the order of the text
 * @property {string[]} sentences facts and filler, in the order of the text
 * @property {string} separator what stands between two sentences
 */

/**
 * About how many tokens a text has: exact for our own words, near for others.
 *
 * @param {string} text
 * @returns {number} tokens
 */
export function estimateTokens(text) {
  let numTokens = 0;
  for (const [piece] of text.matchAll(/ ?[a-z]+|[A-Z][a-z]*|[0-9]|\s|[^\sA-Za-z0-9]+/g)) {
    numTokens += piece.length > 3 && /^[A-Z]/.test(piece) ? 2 : 1;
  }
  return numTokens;
}

/**
 * Distinct people; about a fifth share a syllable with an earlier one.
 *
 * @param {Random} random
 * @param {Split} split
 * @param {number} numPeople
 */
function drawPeople(random, split, numPeople) {
  /** @type {Set<string>} */
  const people = new Set();
  while (people.size < numPeople) {
    const similarTo = people.size > 0 && random.chance(0.2) ? random.pick([...people]) : undefined;
    people.add(drawName(random, split, similarTo));
  }
  return [...people];
}

/**
 * @param {Random} random
 * @param {Split} split
 * @param {number} numFacts
 * @param {number} [numKinds] at most so many kinds occur; default all
 * @param {number} [numWordings] of each kind, at most; default all
 * @returns {Fact[]} at most one per person and kind
 */
export function drawFacts(random, split, numFacts, numKinds = kindNames.length, numWordings = 9) {
  const factsPerPerson = Math.min(numKinds, random.pick([1, 1.5, 2, 3, 4]));
  const kinds = random.shuffle(kindNames).slice(0, numKinds);
  const people = drawPeople(random, split, Math.ceil(numFacts / factsPerPerson));
  const pairs = people.flatMap((name) => kinds.map((kind) => ({ name, kind })));
  return random
    .shuffle(pairs)
    .slice(0, numFacts)
    .map(({ name, kind }) => {
      const fromText = kind === 'friend' && people.length > 1 && random.chance(0.4);
      const others = fromText ? people.filter((other) => other !== name) : [];
      const value = fromText ? random.pick(others) : factKinds[kind].draw(random, split);
      return {
        name,
        kind,
        value,
        sentence: fillIn(
          random.pick(factKinds[kind].statements.slice(0, numWordings)),
          name,
          value,
        ),
      };
    });
}

/**
 * @param {Random} random
 * @param {{ split: Split, numFacts: number, targetTokens: number, numKinds?: number, numWordings?: number }} options
 *   `targetTokens`: filler is added until the text is about that long; 0 adds none
 * @returns {Scene}
 */
export function drawScene(random, { split, numFacts, targetTokens, numKinds, numWordings }) {
  const facts = drawFacts(random, split, numFacts, numKinds, numWordings);
  const separator = random.chance(0.8) ? ' ' : '\n';
  /** @type {{ sentence: string, fact?: Fact }[]} */
  const entries = facts.map((fact) => ({ sentence: fact.sentence, fact }));
  let numTokens = entries.reduce((sum, { sentence }) => sum + estimateTokens(sentence) + 1, 0);
  while (numTokens < targetTokens) {
    const sentence = drawSentence(random);
    numTokens += estimateTokens(sentence) + 1;
    entries.push({ sentence });
  }
  const order = random.shuffle(entries);
  return {
    facts: order.flatMap(({ fact }) => (fact ? [fact] : [])),
    sentences: order.map(({ sentence }) => sentence),
    separator,
  };
}

/**
 * A person and kind of which the text says nothing, though it says much that is alike.
 *
 * @param {Random} random
 * @param {Split} split
 * @param {Scene} scene
 * @returns {{ name: string, kind: string }}
 */
export function drawAbsent(random, split, scene) {
  const people = [...new Set(scene.facts.map(({ name }) => name))];
  const stated = new Set(scene.facts.map(({ name, kind }) => `${name} ${kind}`));
  for (;;) {
    const known = people.length > 0 && random.chance(0.6);
    const similarTo = people.length > 0 && random.chance(0.5) ? random.pick(people) : undefined;
    const name = known ? random.pick(people) : drawName(random, split, similarTo);
    const kind = random.pick(kindNames);
    if (!stated.has(`${name} ${kind}`)) return { name, kind };
  }
}
