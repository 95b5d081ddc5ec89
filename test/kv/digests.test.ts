import { createHash } from 'node:crypto';
import { type ExtraKeys, hashBlocks, rootDigest } from '../../lib/kv/index.js';
import { countFrom } from './cache-fixture.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('hashBlocks', () => {
  test('starts from the SHA-256 of the CBOR text vllm-none-hash', () => {
    expect(hex(rootDigest)).toBe(
      '9bd96a485ad84efdafb72ee48a1d7a69bcead0f8f0433173941b276b9581eef0',
    );
  });

  test('gives the digest that vLLM gives to tokens 0 to 15 without extra keys', () => {
    expect(hashBlocks(countFrom(0, 16)).map(hex)).toEqual([
      'dc918a88b139e5afe60b88eda27508d4aee16c10fdc354791efea06206ac0749',
    ]);
  });

  test('puts a salt into the first block', () => {
    const extraKeys: ExtraKeys = [['salt', 's1']];
    expect(hashBlocks(countFrom(0, 16), { extraKeys }).map(hex)).toEqual([
      '5e400db96882a36e330ec0efc747d093dcde6ad8e0e0031d5844962e0fed6dcf',
    ]);
  });

  test('chains: a block is the SHA-256 of its parent digest, its tokens and null', () => {
    const [first, second] = hashBlocks(countFrom(0, 16), { blockSize: 8 });
    const tokens = Uint8Array.of(0x88, 8, 9, 10, 11, 12, 13, 14, 15);
    const head = Uint8Array.of(0x83, 0x58, 0x20);
    const text = Buffer.concat([head, first, tokens, Uint8Array.of(0xf6)]);
    expect(hex(second)).toBe(createHash('sha256').update(text).digest('hex'));
  });

  test('carries a salt on by the chain only, and a lora in each block', () => {
    const tokens = countFrom(0, 32);
    const salted = hashBlocks(tokens, { extraKeys: [['salt', 'x']] });
    const adapted = hashBlocks(tokens, { extraKeys: [['lora', 'x']] });
    const all = [...hashBlocks(tokens), ...salted, ...adapted].map(hex);
    expect(new Set(all).size).toBe(6);
    const text = (keys: Uint8Array) =>
      Buffer.concat([
        Uint8Array.of(0x83, 0x58, 0x20),
        salted[0],
        Uint8Array.of(0x90, 16, 17, 18, 19, 20, 21, 22, 23, 0x18, 24, 0x18, 25, 0x18, 26, 0x18, 27),
        Uint8Array.of(0x18, 28, 0x18, 29, 0x18, 30, 0x18, 31),
        keys,
      ]);
    const expected = createHash('sha256')
      .update(text(Uint8Array.of(0xf6)))
      .digest('hex');
    expect(hex(salted[1])).toBe(expected);
  });

  test('does not depend on the order of keys', () => {
    const tokens = countFrom(5, 16);
    const one = hashBlocks(tokens, {
      extraKeys: [
        ['salt', 's'],
        ['lora', 'l'],
      ],
    });
    const other = hashBlocks(tokens, {
      extraKeys: [
        ['lora', 'l'],
        ['salt', 's'],
      ],
    });
    expect(one.map(hex)).toEqual(other.map(hex));
  });

  test('gives nothing for tokens behind the last full block', () => {
    expect(hashBlocks(countFrom(0, 15))).toHaveLength(0);
    expect(hashBlocks(countFrom(0, 47))).toHaveLength(2);
    expect(hashBlocks(new Int32Array(0))).toHaveLength(0);
  });

  test.each([
    [{ blockSize: 12 }, 'blockSize'],
    [{ blockSize: 4 }, 'blockSize'],
    [{ extraKeys: [['tenant', 'x']] as unknown as ExtraKeys }, 'extraKeys'],
    [{ extraKeys: [['salt', '']] as ExtraKeys }, 'extraKeys.salt'],
    [{ extraKeys: [['salt', 7]] as unknown as ExtraKeys }, 'extraKeys.salt'],
    [
      {
        extraKeys: [
          ['salt', 'a'],
          ['salt', 'b'],
        ] as ExtraKeys,
      },
      'extraKeys',
    ],
  ])('refuses %p', (options, field) => {
    expect(() => hashBlocks(countFrom(0, 16), options)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field }),
    );
  });

  test('refuses tokens that are not an Int32Array', () => {
    expect(() => hashBlocks([1, 2, 3] as unknown as Int32Array)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'tokens' }),
    );
  });
});
