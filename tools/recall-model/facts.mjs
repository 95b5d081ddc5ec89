/**
 * The kinds of facts: how the text states each, how a question asks for it.
 *
 * `{name}` is the person and `{value}` the answer. A statement names both the person and the kind
 * before the value, so that a causal model knows at the value what it is the value of.
 */
import { drawCode, drawName, drawPlace } from './names.mjs';

/** @typedef {import('./names.mjs').Split} Split */
/** @typedef {import('./random.mjs').Random} Random */

/**
 * @typedef {object} FactKind
 * @property {string} attribute what the tool's argument calls it
 * @property {string[]} statements the plainest one first
 * @property {string[]} questions likewise
 * @property {(random: Random, split: Split) => string} draw a new value
 */

const words = (/** @type {string} */ text) => text.trim().split(/\s+/);

export const jobs = words(`
  baker barber carpenter chemist clerk cook dancer dentist doctor driver farmer fisher gardener
  glazier judge lawyer mason miner nurse painter pilot plumber sailor singer tailor teacher`);
export const colours = words('black blue brown green grey orange pink purple red white yellow');
export const objects = words(`
  bicycle boat book box camera car chair clock cup drum flute guitar hat kite ladder lamp map
  mirror piano ring rug scarf table tent umbrella vase`);

/** @type {Readonly<Record<string, FactKind>>} */
export const factKinds = {
  vault: {
    attribute: 'vault code',
    statements: ['The vault code of {name} is {value}.', '{name} has the vault code {value}.'],
    questions: [
      'What is the vault code of {name}?',
      'Which code opens the vault of {name}?',
      'Which vault code does {name} have?',
    ],
    draw: (random, split) => drawCode(random, split, 4),
  },
  badge: {
    attribute: 'badge number',
    statements: ['The badge number of {name} is {value}.', '{name} has the badge number {value}.'],
    questions: [
      'What is the badge number of {name}?',
      'Which number is on the badge of {name}?',
      'Which badge number does {name} have?',
    ],
    draw: (random, split) => drawCode(random, split, 3),
  },
  home: {
    attribute: 'home',
    statements: ['The home of {name} is in {value}.', '{name} lives in {value}.'],
    questions: [
      'Where is the home of {name}?',
      'In which town does {name} live?',
      'Where does {name} live?',
    ],
    draw: drawPlace,
  },
  birthplace: {
    attribute: 'birthplace',
    statements: ['The birthplace of {name} is {value}.', '{name} was born in {value}.'],
    questions: [
      'What is the birthplace of {name}?',
      'In which town was {name} born?',
      'Where was {name} born?',
    ],
    draw: drawPlace,
  },
  age: {
    attribute: 'age',
    statements: ['The age of {name} is {value}.', '{name} has the age of {value}.'],
    questions: [
      'What is the age of {name}?',
      'How old is {name}?',
      'Which age has {name} reached?',
    ],
    draw: (random) => String(random.integer(18, 99)),
  },
  job: {
    attribute: 'job',
    statements: ['The job of {name} is {value}.', '{name} works as a {value}.'],
    questions: [
      'What is the job of {name}?',
      'What does {name} work as?',
      'Which job does {name} have?',
    ],
    draw: (random) => random.pick(jobs),
  },
  treasure: {
    attribute: 'treasure',
    statements: ['The treasure of {name} is a {value}.', '{name} owns a {value}.'],
    questions: [
      'What is the treasure of {name}?',
      'What does {name} own?',
      'Which treasure does {name} have?',
    ],
    draw: (random) => `${random.pick(colours)} ${random.pick(objects)}`,
  },
  friend: {
    attribute: 'best friend',
    statements: ['The best friend of {name} is {value}.', '{name} has the best friend {value}.'],
    questions: [
      'Who is the best friend of {name}?',
      'What is the best friend of {name} called?',
      'Which best friend does {name} have?',
    ],
    draw: (random, split) => drawName(random, split),
  },
};

/** @type {readonly string[]} */
export const kindNames = Object.keys(factKinds);

/**
 * @param {string} wording
 * @param {string} name
 * @param {string} [value]
 */
export function fillIn(wording, name, value = '') {
  return wording.replace('{name}', name).replace('{value}', value);
}
