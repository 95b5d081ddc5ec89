/**
 * Names of people and places, and codes, each in exactly one split.
 *
 * Most are put together from syllables, so a name that training never saw is still made of pieces
 * it did see. Well-known names stand in the training split, because examples in the docs use them.
 */
import { fnv1a } from './random.mjs';

/** @typedef {'train' | 'test'} Split */
/** @typedef {import('./random.mjs').Random} Random */

const words = (/** @type {string} */ text) => text.trim().split(/\s+/);

export const nameHeads = words(`
  Al An Ar Bal Bel Bor Bren Cal Cor Cy Dal Dar Del Dor Ed El Em Er Fal Fen Fin Gal Gar Gil Hal
  Har Hel Il Is Jan Jor Jul Kal Kar Kel Lan Lar Len Lor Mal Mar Mel Mor Nal Nel Nor Ol Or Os Pal
  Per Quin Ral Ren Ros Sal Sel Sor Tal Ter Tor Ul Val Ver Wil Yor Zan Zel`);

export const nameTails = words(`
  ada amir ara bert bin car cas da dan den dis do dra eka elle ena ero eth fer gan gon ian ida
  ina iva kas ko la len lia lon lyn man mir mira mon na nis nor ova phine ra ran rek ric ro ron
  sa san sen sha son ta tan thas tia tor tus una vash ven vik vin wen wyn xa ya zar zo`);

export const placeHeads = words(`
  Ash Bar Birch Black Bran Brook Cald Clay Cliff Crow Dun East Elm Fair Fox Glen Gold Grey Hart
  Hazel High Kings Lake Lang March Mill North Oak Old Pine Raven Red Rock Sand Silver South Stone
  Swan Thorn West White Wind Wolf`);

export const placeTails = words(`
  beck borough bridge bury cliff combe cross dale dean field ford gate grove ham haven holm hurst
  lea ley mere minster moor mouth ness port ridge shaw stead stow thorpe ton vale ville well wick
  wold wood worth`);

export const knownNames = words(`
  Ada Alice Amber Anna Ben Bob Carla Carol Clara Dan David Dora Elena Emma Eve Finn Frank Grace
  Hugo Ida Ines Iris Ivan Jack Jane John Jonas Julia Karl Kate Kim Lara Leo Lena Lina Linus Lucy
  Maria Mark Max Maya Mia Nadia Nina Noah Nora Olga Oliver Omar Oscar Otto Paul Peter Rosa Ruth
  Sam Sara Sofia Tom Vera Victor Yara Zoe`);

export const knownPlaces = words(`
  Amsterdam Athens Berlin Bern Boston Cairo Chicago Delhi Dublin Geneva Hamburg Helsinki Kyoto
  Lima Lisbon London Lyon Madrid Milan Munich Oslo Paris Porto Prague Quito Riga Rome Seoul Tokyo
  Turin Vienna Warsaw York Zurich`);

const known = new Set([...knownNames, ...knownPlaces]);
const testShare = 8;

/**
 * The one split in which a name, a place or a code may occur.
 *
 * @param {string} text
 * @returns {Split}
 */
export function splitOf(text) {
  if (known.has(text)) return 'train';
  return fnv1a(text) % testShare === 0 ? 'test' : 'train';
}

/**
 * @param {Split} split
 * @param {() => string} draw
 */
function drawFrom(split, draw) {
  for (;;) {
    const text = draw();
    if (splitOf(text) === split) return text;
  }
}

const freeConsonants = [...'bcdfghjklmnprstvwz'];
const freeVowels = [...'aeiou'];

/**
 * A name of random letters: what a person types is not made of our syllables.
 *
 * @param {Random} random
 */
function drawFreeName(random) {
  let name = '';
  const numParts = random.integer(2, 3);
  for (let part = 0; part < numParts; part++) {
    name += random.pick(freeConsonants) + random.pick(freeVowels);
  }
  if (random.chance(0.4)) name += random.pick(freeConsonants);
  return name[0].toUpperCase() + name.slice(1);
}

/**
 * @param {Random} random
 * @param {Split} split
 * @param {string} [similarTo] a name made by this function; the new one shares a syllable with it
 * @returns {string} one capitalised word
 */
export function drawName(random, split, similarTo) {
  const kind = random.next();
  if (!similarTo && split === 'train' && kind < 0.06) return random.pick(knownNames);
  if (!similarTo && split === 'train' && kind < 0.1)
    return drawFrom(split, () => drawFreeName(random));
  const head = similarTo && nameHeads.find((text) => similarTo.startsWith(text));
  const tail = similarTo && nameTails.find((text) => similarTo.endsWith(text));
  const keepHead = random.chance(0.5);
  return drawFrom(
    split,
    () =>
      (keepHead && head ? head : random.pick(nameHeads)) +
      (!keepHead && tail ? tail : random.pick(nameTails)),
  );
}

/**
 * @param {Random} random
 * @param {Split} split
 * @returns {string} one capitalised word
 */
export function drawPlace(random, split) {
  if (split === 'train' && random.chance(0.06)) return random.pick(knownPlaces);
  return drawFrom(split, () => random.pick(placeHeads) + random.pick(placeTails));
}

/**
 * @param {Random} random
 * @param {Split} split
 * @param {number} numDigits
 * @returns {string} digits, the first of which is not 0
 */
export function drawCode(random, split, numDigits) {
  const low = 10 ** (numDigits - 1);
  return drawFrom(split, () => String(random.integer(low, low * 10 - 1)));
}
