// Changes bytes and JSON values at random, from a seed.

/** Marsaglia's xorshift of 32 bits. */
export class Random {
  #state;

  constructor(seed) {
    this.#state = (seed ^ 0x9e3779b9) | 1;
  }

  below(limit) {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }

  pick(list) {
    return list[this.below(list.length)];
  }
}

const extremes = [0n, 1n, 0xffffn, 0x7fffffffn, 0xffffffffn, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/** One to three changes in the first `numBytes` bytes. */
export function mutateBytes(random, bytes, numBytes = bytes.length) {
  let result = Buffer.from(bytes);
  for (let i = 0; i <= random.below(3); i++) {
    const at = random.below(Math.max(1, Math.min(numBytes, result.length)));
    const length = 1 + random.below(16);
    const [before, span, after] = [
      result.subarray(0, at),
      result.subarray(at, at + length),
      result.subarray(at + length),
    ];
    const noise = Buffer.from(Array.from({ length }, () => random.below(256)));
    const number = Buffer.alloc(8);
    number.writeBigUInt64LE(random.pick(extremes));
    const changes = [
      () => [before, noise, after],
      () => [before, Buffer.alloc(span.length, random.pick([0, 255, 32])), after],
      () => [before],
      () => [before, after],
      () => [before, span, span, after],
      () => [before, noise, span, after],
      () => [before, number, result.subarray(at + 8)],
    ];
    result = Buffer.concat(random.pick(changes)());
  }
  return result;
}

const values = [
  () => null,
  () => true,
  () => -1,
  () => 0,
  () => 0.5,
  () => 1e308,
  () => 2 ** 31,
  () => 2 ** 53,
  () => '',
  () => 'x'.repeat(5000),
  () => '__proto__',
  () => '\ud800',
  () => [],
  () => ({}),
  () => [[[[]]]],
  () => Array(2000).fill(0),
  () => ({ type: 'Sequence', decoders: [], normalizers: [], pretokenizers: [] }),
];

/** The JSON text of a value in which one to three places have another value, none, or a second name. */
export function mutateJson(random, value) {
  if (random.below(200) === 0) return '['.repeat(50_000);
  const copy = structuredClone(value);
  for (let i = 0; i <= random.below(3); i++) {
    const { parent, key } = randomPlace(random, copy);
    if (parent === undefined) return JSON.stringify(random.pick(values)());
    const change = random.below(5);
    if (change === 0 && !Array.isArray(parent)) delete parent[key];
    else if (change === 0) parent.splice(key, 1);
    else if (change === 1) parent[random.pick(Object.keys(parent))] = parent[key];
    else parent[key] = random.pick(values)();
  }
  return JSON.stringify(copy);
}

/** Goes down from the root; every level may be the last. */
function randomPlace(random, root) {
  let place = {};
  let value = root;
  while (typeof value === 'object' && value !== null) {
    const keys = Object.keys(value);
    if (keys.length === 0) break;
    const key = random.pick(keys);
    place = { parent: value, key: Array.isArray(value) ? Number(key) : key };
    value = value[key];
    if (random.below(4) === 0) break;
  }
  return place;
}
