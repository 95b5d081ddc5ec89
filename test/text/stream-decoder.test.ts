import { readTokenizerFiles, StreamDecoder, TextCore } from '../../lib/text/index.js';
import { byteLevelTokenizer, metaspaceTokenizer, writeTokenizer } from './tiny-tokenizer.js';

const flags = '🏳️‍🌈👩‍👩‍👧‍👦🇵🇹';
const texts = [
  'The vault code of Amber is 4217.',
  '日本語のテキスト',
  `a${flags}b ${flags}${flags}`,
  'x\ufffdy', // a real replacement character
  'long '.repeat(60),
];

async function openCore(tokenizer: object): Promise<TextCore> {
  return new TextCore(await readTokenizerFiles(writeTokenizer({ tokenizer })));
}

/** Feeds ids in portions and gives what came out after each. */
async function stream(core: TextCore, ids: readonly number[], portion: number): Promise<string[]> {
  const decoder = new StreamDecoder();
  const chunks: string[] = [];
  for (let i = 0; i < ids.length; i += portion) {
    const tokenIds = ids.slice(i, i + portion);
    const isLast = i + portion >= ids.length;
    const decodeBatch = (windows: number[][]) => core.decodeBatch(windows);
    const additions = [{ stream: decoder, tokenIds, isLast }];
    chunks.push(...(await StreamDecoder.push(decodeBatch, additions)));
  }
  return chunks;
}

describe.each([
  ['byte-level', byteLevelTokenizer()],
  ['byte-fallback', metaspaceTokenizer('first')],
])('a stream of a %s tokenizer', (_, tokenizer) => {
  test.each(texts)('gives the text %j, whatever the portions', async (text) => {
    const core = await openCore(tokenizer);
    const ids = [...(await core.encode(text, false))];
    for (const portion of [1, 2, 3, 7, 50]) {
      expect((await stream(core, ids, portion)).join('')).toBe(text);
    }
  });

  test('never gives a part of a character, one token at a time', async () => {
    const core = await openCore(tokenizer);
    const ids = [...(await core.encode(`${flags}語`, false))];
    const chunks = await stream(core, ids, 1);
    const codePoints = [...`${flags}語`];
    expect(chunks.filter((chunk) => chunk !== '')).toEqual(codePoints);
  });

  test('lets an unfinished character out when no token follows', async () => {
    const core = await openCore(tokenizer);
    const ids = [...(await core.encode('a😀', false))].slice(0, -1);
    expect((await stream(core, ids, 1)).join('')).toMatch(/^a\ufffd+$/);
  });

  test('does not hold back bytes for ever that never become a character', async () => {
    const core = await openCore(tokenizer);
    const [byte] = (await core.encode('😀', false)).slice(-1);
    const chunks = await stream(core, new Array(40).fill(byte), 1);
    expect(chunks.slice(0, -1).join('')).toContain('\ufffd');
  });
});

describe('several streams', () => {
  test('are decoded by one batch, each with its own text', async () => {
    const core = await openCore(byteLevelTokenizer());
    const ids = await Promise.all(texts.map(async (text) => [...(await core.encode(text, false))]));
    const streams = texts.map(() => new StreamDecoder());
    const collected = texts.map(() => '');
    let numBatches = 0;
    const decodeBatch = (windows: number[][]) => {
      numBatches++;
      return core.decodeBatch(windows);
    };
    const numSteps = Math.max(...ids.map((row) => row.length));
    for (let i = 0; i < numSteps; i++) {
      const additions = streams.map((stream, s) => ({
        stream,
        tokenIds: ids[s].slice(i, i + 1),
        isLast: i === numSteps - 1,
      }));
      const chunks = await StreamDecoder.push(decodeBatch, additions);
      for (const [s, chunk] of chunks.entries()) collected[s] += chunk;
    }
    expect(collected).toEqual(texts);
    expect(numBatches).toBe(numSteps);
  });

  test('decode windows that stay small', async () => {
    const core = await openCore(byteLevelTokenizer());
    const ids = [...(await core.encode('long '.repeat(200), false))];
    let longest = 0;
    const decoder = new StreamDecoder();
    for (const id of ids) {
      const additions = [{ stream: decoder, tokenIds: [id], isLast: false }];
      await StreamDecoder.push((windows) => {
        longest = Math.max(longest, ...windows.map((window) => window.length));
        return core.decodeBatch(windows);
      }, additions);
    }
    expect(longest).toBeLessThanOrEqual(24);
  });
});

describe('the ids before a stream', () => {
  test.each([
    ['byte-level', byteLevelTokenizer()],
    ['byte-fallback', metaspaceTokenizer('first')],
  ])('are no part of its text where they begin within a character (%s)', async (_, tokenizer) => {
    const core = await openCore(tokenizer);
    const decodeBatch = (windows: number[][]) => core.decodeBatch(windows);
    for (const before of ['a😀', '😀😀', 'a\ufffd', '語']) {
      const ids = [...(await core.encode(before, false))];
      const numOmar = (await core.encode('Omar', false)).length;
      const tokenIds = [...(await core.encode('Omar lives', false))].slice(numOmar);
      for (const numContext of [1, 2, 3, 4, 5]) {
        const stream = new StreamDecoder(ids.slice(-numContext));
        const texts: string[] = [];
        for (const [i, id] of tokenIds.entries()) {
          const addition = { stream, tokenIds: [id], isLast: i === tokenIds.length - 1 };
          texts.push(...(await StreamDecoder.push(decodeBatch, [addition])));
        }
        expect([before, numContext, texts.join('')]).toEqual([before, numContext, ' lives']);
      }
    }
  });

  test('decide whether it starts with a space', async () => {
    const core = await openCore(metaspaceTokenizer('first'));
    const before = [...(await core.encode('Omar', false))];
    const all = [...(await core.encode('Omar lives', false))];
    const additions = (stream: StreamDecoder) => [
      { stream, tokenIds: all.slice(before.length), isLast: true },
    ];
    const decodeBatch = (windows: number[][]) => core.decodeBatch(windows);
    expect(await StreamDecoder.push(decodeBatch, additions(new StreamDecoder(before)))).toEqual([
      ' lives',
    ]);
    expect(await StreamDecoder.push(decodeBatch, additions(new StreamDecoder()))).toEqual([
      'lives',
    ]);
  });

  test('may end within a character, which then belongs to the stream', async () => {
    const core = await openCore(byteLevelTokenizer());
    const ids = [...(await core.encode('a😀', false))];
    const stream = new StreamDecoder(ids.slice(0, 3));
    const additions = [{ stream, tokenIds: ids.slice(3), isLast: true }];
    const decodeBatch = (windows: number[][]) => core.decodeBatch(windows);
    expect(await StreamDecoder.push(decodeBatch, additions)).toEqual(['😀']);
  });
});
