// Strings that tokenizers stumble over, from a seed. Mirrors tools/golden/text_cases.py: both make the same ones.

// Taken out once: under jest, looking up a global costs 100 times what the function does.
const { fromCharCode, fromCodePoint } = String;
const { imul } = Math;

const code = [
  'for (let i = 0; i < n; i++) {',
  'def f(x):\n    return x ** 2\n',
  '<a href="x">y</a>',
  "SELECT * FROM t WHERE a='b';",
  '#include <stdio.h>\r\n',
  '0x1F + 1e-9 != NaN',
  "they'LL we've I'M it's",
  '\\n\\t\\u0041',
  'a_b-c.d/e?f=g&h',
];
const emoji = [
  '\u{1F468}\u200D\u{1F469}\u200D\u{1F467}',
  '\u{1F44D}\u{1F3FD}',
  '\u{1F1E9}\u{1F1EA}',
  '1\uFE0F\u20E3',
  '\u2764\uFE0F\u200D\u{1F525}',
  '\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}',
  '\u{1F600}\u{1F600}\u{1F600}',
];
const spaces = [0x20, 0x20, 0x20, 0x09, 0x0a, 0x0d, 0xa0, 0x2003, 0x3000, 0x2028];
const ranges = [
  [0xc0, 0x140],
  [0x370, 0x90],
  [0x400, 0x100],
  [0x5d0, 0x1b],
  [0x620, 0x40],
  [0x900, 0x70],
  [0xe01, 0x3a],
  [0x3041, 0x56],
  [0x4e00, 0x400],
  [0xac00, 0x400],
  [0x300, 0x70],
  [0x660, 10],
  [0x2190, 0x70],
  [0x1d400, 0x100],
  [0x20000, 0x100],
  [0xe000, 0x20],
  [0xfff0, 16],
  [0x2150, 0x40],
  [0x1100, 0x60],
  [0xff01, 0x5e],
];
const upTo = (first: number, end: number) =>
  Array.from({ length: end - first }, (_, i) => first + i);
const controls = [
  ...[...upTo(0, 0x20), ...upTo(0x7f, 0xa0)],
  ...[0x200b, 0x200e, 0x202e, 0x2060, 0xfeff, 0xfffd],
];

/** Marsaglia's xorshift of 32 bits. */
class Stream {
  constructor(private state: number) {}

  below(limit: number): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % limit;
  }
}

/** `count` strings; some have half a surrogate pair. */
export function textCases(count: number, seed: number): string[] {
  const stream = new Stream(seed);
  return Array.from({ length: count }, () => {
    const numPieces = stream.below(9);
    return Array.from({ length: numPieces }, () => piece(stream)).join('');
  });
}

function piece(stream: Stream): string {
  const pick = <T>(list: readonly T[]): T => list[stream.below(list.length)];
  const repeat = (most: number, make: () => string) =>
    Array.from({ length: 1 + stream.below(most) }, make).join('');
  const kind = stream.below(9);
  if (kind <= 1) return repeat(8, () => letter(stream));
  if (kind === 2) return repeat(5, () => fromCharCode(0x21 + stream.below(0x1f)));
  if (kind === 3) return repeat(6, () => fromCharCode(pick(spaces)));
  if (kind === 4) return pick(code);
  if (kind === 5) {
    const [first, count] = pick(ranges);
    return repeat(5, () => fromCodePoint(first + stream.below(count)));
  }
  if (kind === 6) return pick(emoji);
  if (kind === 7) return repeat(3, () => fromCharCode(pick(controls)));
  return fromCharCode(0xd800 + stream.below(0x800));
}

function letter(stream: Stream): string {
  const lower = 0x61 + stream.below(26);
  return fromCharCode(lower - (stream.below(5) === 0 ? 32 : 0));
}

/** A hash of 32-bit numbers. Mirrors `fnv` in tools/golden/make_tokenizer_golden.py. */
export function fnv(numbers: Iterable<number>): number {
  let value = 0x811c9dc5;
  for (const number of numbers) {
    for (let shift = 0; shift < 32; shift += 8) {
      value = imul(value ^ ((number >>> shift) & 255), 0x01000193);
    }
  }
  return value >>> 0;
}
