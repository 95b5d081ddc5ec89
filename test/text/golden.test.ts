// Ids and decoded text of 5,000 odd strings against Python's tokenizers (tools/golden/make_tokenizer_golden.py).
import { readFileSync } from 'node:fs';
import { StreamDecoder } from '../../lib/text/stream-decoder.js';
import { TextCore } from '../../lib/text/text-core.js';
import { fnv, textCases } from './text-cases.js';

interface Golden {
  readonly count: number;
  readonly seed: number;
  readonly numIds: number;
  /** Of the ids of each string, then of the UTF-8 of what they decode to; base64 of 32-bit numbers. */
  readonly hashes: string;
}

const read = (name: string) => readFileSync(`test/text/golden/${name}.json`, 'utf8');

/** Ids that a stream gets at a time, in turn. */
const strides = [1, 2, 1, 5, 3];

/** All streams grow together: what each gave out, piece by piece. */
async function streamAll(core: TextCore, ids: readonly Int32Array[]): Promise<string[][]> {
  const streams = ids.map(() => new StreamDecoder());
  const pieces: string[][] = ids.map(() => []);
  const places = ids.map(() => 0);
  for (let turn = 0; places.some((place, i) => place < ids[i].length); turn++) {
    const growing = places.flatMap((place, i) => (place < ids[i].length ? [i] : []));
    const additions = growing.map((i) => {
      const end = places[i] + strides[(turn + i) % strides.length];
      const tokenIds = [...ids[i].subarray(places[i], end)];
      places[i] = end;
      return { stream: streams[i], tokenIds, isLast: end >= ids[i].length };
    });
    const texts = await StreamDecoder.push((batch) => core.decodeBatch(batch), additions);
    for (const [at, i] of growing.entries()) pieces[i].push(texts[at]);
  }
  return pieces;
}

describe.each(['byte-level', 'sentence-piece', 'unigram'])('%s', (name) => {
  const golden: Golden = JSON.parse(read(`${name}.hashes`));
  const bytes = Buffer.from(golden.hashes, 'base64');
  const hashes = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(i * 4));
  const texts = textCases(golden.count, golden.seed);
  const tokenizerJson = read(`${name}.tokenizer`);
  const core = new TextCore({ folder: '', tokenizerJson, templates: [], namedTokens: {} });
  let ids: Int32Array[];
  let decoded: string[];

  beforeAll(async () => {
    ids = await Promise.all(texts.map((text) => core.encode(text, true)));
    decoded = await core.decodeBatch(ids.map((row) => [...row]));
  });

  test('gives the ids that Python gives', () => {
    const different = texts.filter((_, i) => fnv(ids[i]) !== hashes[i]);
    expect(different).toEqual([]);
    expect(ids.reduce((sum, row) => sum + row.length, 0)).toBe(golden.numIds);
  });

  test('decodes to the text, half surrogate pairs replaced, as Python does', () => {
    const encoder = new TextEncoder();
    const hashOf = (text: string) => fnv(encoder.encode(text));
    const different = texts.filter((_, i) => hashOf(decoded[i]) !== hashes[golden.count + i]);
    expect(different).toEqual([]);
    expect(decoded.filter((text, i) => text !== texts[i].toWellFormed())).toEqual([]);
  });

  test('gives streamed the whole text, in pieces of whole characters', async () => {
    const streamed = await streamAll(core, ids);
    expect(streamed.filter((pieces, i) => pieces.join('') !== decoded[i])).toEqual([]);
    const broken = streamed.filter((pieces) => pieces.some((piece) => !piece.isWellFormed()));
    expect(broken).toEqual([]);
    const replaced = (text: string) => text.split('\ufffd').length;
    const more = streamed.filter(
      (pieces, i) => replaced(pieces.join('')) > replaced(texts[i].toWellFormed()),
    );
    expect(more).toEqual([]);
  });
});

test('the strings have halves of surrogate pairs, controls, marks and emoji among them', () => {
  const texts = textCases(5000, 20261121);
  const share = (isOne: (text: string) => boolean) => texts.filter(isOne).length / texts.length;
  expect(share((text) => !text.isWellFormed())).toBeGreaterThan(0.2);
  for (const kind of [/\p{Cc}/u, /\p{Mn}/u, /\p{Extended_Pictographic}/u, /\s{3}/u, /\p{Lo}/u]) {
    expect(share((text) => kind.test(text))).toBeGreaterThan(0.1);
  }
});
