// The four figures of docs/concepts.md: paging, hashing, sharing, eviction.

import { frame, ink, text } from '../../bench/svg-chart.mjs';
import { hashBlocks } from '../../dist/kv/index.js';
import { code, drawArrow, drawBlock, drawCopy, drawEntry, paint, slotSize } from './drawing.mjs';
import {
  contentsOf,
  end,
  grow,
  openCache,
  range,
  blockSize as size,
  start,
  tableOf,
} from './sequences.mjs';

const blockWidth = size * slotSize;
const bold = { weight: 600 };

const rowHeight = 40;
const poolLeft = 440;
const middleOf = (y) => y + slotSize / 2;

/** The pool in the order of memory; gives the SVG and the height of each block. */
function drawPool(numBlocks, top, { contents, paintOf, noteOf }) {
  const heights = new Map(range(1, numBlocks).map((block, i) => [block, top + i * rowHeight]));
  const parts = [...heights].map(
    ([block, y]) =>
      code(poolLeft - 8, y + 16, block, { anchor: 'end', size: 12, ...bold }) +
      drawBlock(poolLeft, y, { tokens: contents.get(block) ?? [], size, ...paintOf(block) }) +
      text(poolLeft + blockWidth + 10, y + 16, noteOf(block), { size: 12 }),
  );
  const title = text(poolLeft, top - 10, 'the pool, in the order of memory', { size: 12, ...bold });
  return { svg: title + parts.join(''), heights };
}

/** A sequence's tokens in order, its block table beside them, and where each entry points. */
function drawSequence(sequence, top, { label, hue, heights }) {
  const rows = tableOf(sequence).map((block, i) => {
    const y = top + i * rowHeight;
    const tokens = sequence.tokens.slice(i * size, (i + 1) * size);
    const to = [poolLeft - 26, middleOf(heights.get(block))];
    return (
      drawBlock(24, y, { tokens, size, hue }) +
      drawEntry(30 + blockWidth, y, block, hue) +
      drawArrow([66 + blockWidth, middleOf(y)], to, hue)
    );
  });
  return text(24, top - 10, label, { size: 12, ...bold }) + rows.join('');
}

/** Two sequences that grow by turns: neighbours in a table are not neighbours in memory. */
export function drawPaging() {
  const cache = openCache(8);
  const ann = start(cache, 'ann', range(1, 6));
  const ben = start(cache, 'ben', range(41, 12));
  grow(cache, ann, range(7, 6));
  grow(cache, ben, range(53, 6));
  grow(cache, ann, range(13, 8));
  const owners = new Map([ann, ben].flatMap((s) => tableOf(s).map((block) => [block, s.name])));
  const pool = drawPool(7, 66, {
    contents: contentsOf([ann, ben]),
    paintOf: (block) => ({ hue: paint[owners.get(block)] }),
    noteOf: (block) => (owners.has(block) ? '' : 'empty'),
  });
  const { heights } = pool;
  const rows = [
    drawSequence(ann, 66, { label: 'Ann: 20 tokens, block table', hue: paint.ann, heights }),
    drawSequence(ben, 226, { label: 'Ben: 18 tokens, block table', hue: paint.ben, heights }),
  ];
  const title = 'Paging: a block table says where the tokens of a sequence lie';
  return frame(740, 360, title, rows.join('') + pool.svg);
}

/** One row of the hash chain: the blocks of a prompt, each with its digest. */
function drawChain(y, { label, tokens, extraKeys, hue, known }) {
  const digests = hashBlocks(Int32Array.from(tokens), { blockSize: size, extraKeys });
  const left = 24;
  const parts = digests.map((digest, i) => {
    const x = left + i * (blockWidth + 44);
    const hex = Buffer.from(digest).toString('hex').slice(0, 12);
    const isKnown = known.has(hex);
    known.add(hex);
    const arrow = i === 0 ? '' : drawArrow([x - 42, y + 56], [x - 2, y + 56], ink);
    return (
      drawBlock(x, y, { tokens: tokens.slice(i * size, (i + 1) * size), size, hue }) +
      `<rect x="${x}" y="${y + 42}" width="${blockWidth}" height="28" rx="4" fill="${isKnown ? `${paint.eve}33` : 'none'}" stroke="${isKnown ? paint.eve : ink}"/>` +
      code(x + blockWidth / 2, y + 60, `${hex}…`, { anchor: 'middle', size: 12 }) +
      arrow
    );
  });
  return text(left, y - 8, label, { size: 12, ...bold }) + parts.join('');
}

/** Each digest is made of its parent's and its own tokens: one word in front changes all of them. */
export function drawHashing() {
  const known = new Set();
  const ann = range(1, 24);
  const rows = [
    { label: 'Ann’s prompt', tokens: ann, hue: paint.ann },
    {
      label: 'Ben’s prompt: another third block',
      tokens: [...range(1, 16), ...range(61, 8)],
      hue: paint.ben,
    },
    { label: 'Eve’s prompt: another first token', tokens: [99, ...range(2, 23)], hue: paint.eve },
    {
      label: 'Ann’s prompt of another organisation (salt)',
      tokens: ann,
      extraKeys: [['salt', 'globex']],
      hue: ink,
    },
  ].map((row, i) => drawChain(66 + i * 112, { ...row, known }));
  const note = text(
    24,
    506,
    'green: a digest that was there before, so its block is found instead of computed',
  );
  return frame(
    740,
    520,
    'Hashing: a block is named by its tokens and all before them',
    rows.join('') + note,
  );
}

/** Full blocks in two tables, the beginning of a third by a copy. */
export function drawSharing() {
  const cache = openCache(7);
  const ann = start(cache, 'ann', range(1, 21));
  cache.registerTail(ann.table, ann.ids, ann.ids.length);
  const ben = start(cache, 'ben', [...range(1, 19), 71, 72, 73]);
  const numRefs = new Map(cache.blockMap().blocks.map((info) => [info.block, info.numRefs]));
  const [source, destination] = [tableOf(ann).at(-1), tableOf(ben).at(-1)];
  const isCopied = (i) => i < ben.numCopiedTokens;
  const pool = drawPool(6, 66, {
    contents: contentsOf([ann, ben]),
    paintOf: (block) => {
      const hues = range(0, size).map((i) => (isCopied(i) ? paint.ann : paint.ben));
      if (block === destination) return { hue: paint.ben, hues };
      return { hue: numRefs.get(block) > 1 ? paint.eve : block === source ? paint.ann : undefined };
    },
    noteOf: (block) => ['empty', '1 reference', '2 references'][numRefs.get(block)],
  });
  const { heights } = pool;
  const found = `Ben: 22 tokens, ${ben.numCachedTokens} cached (${ben.numCopiedTokens} by a copy)`;
  const rows = [
    drawSequence(ann, 66, { label: 'Ann: 21 tokens', hue: paint.ann, heights }),
    drawSequence(ben, 226, { label: found, hue: paint.ben, heights }),
  ];
  const right = poolLeft + blockWidth + 82;
  const copy = drawCopy(
    [right, middleOf(heights.get(source))],
    middleOf(heights.get(destination)),
    paint.ben,
  );
  const title = 'Sharing: two tables name one block; the beginning of a block is copied';
  return frame(780, 360, title, rows.join('') + pool.svg + copy);
}

/** The trie of four prompts that nobody uses now, or still does, with the order in which eviction takes their blocks. */
export function drawEviction() {
  const cache = openCache(9);
  const facts = range(1, 16);
  const prompts = [
    start(cache, 'ann', [...facts, ...range(31, 16)]),
    start(cache, 'ben', [...facts, ...range(51, 8)]),
    start(cache, 'eve', range(71, 12)),
    start(cache, 'ann', range(91, 8)),
  ];
  const running = prompts[3];
  for (const sequence of prompts.slice(0, 3)) end(cache, sequence);
  const contents = contentsOf(prompts);
  const { blocks } = cache.blockMap();
  const order = new Map();
  for (let taken = cache.tryAllocate(1); taken; taken = cache.tryAllocate(1)) {
    order.set(taken[0], order.size + 1);
  }
  return frame(
    740,
    330,
    'Eviction: ends of prompts before their beginnings',
    drawTrie({ blocks, contents, order, running }),
  );
}

/** One node per cached block, children to the right of their parent. */
function drawTrie({ blocks, contents, order, running }) {
  const cached = blocks.filter(({ holds }) => holds !== undefined);
  const childrenOf = (parent) => cached.filter((info) => info.parent === parent);
  const parts = [];
  let row = 0;
  const place = (info, depth, from) => {
    const x = 24 + depth * (blockWidth / 2 + 76);
    const y = 58 + row * 64;
    const isHeld = tableOf(running).includes(info.block);
    const note = isHeld
      ? 'in use: stays'
      : `goes ${ordinal(order.get(info.block))}${info.holds === 'tail' ? ' (a tail)' : ''}`;
    const hue = isHeld ? paint.eve : paint.ben;
    const tokens = contents.get(info.block);
    parts.push(
      drawEntry(x, y, info.block, hue),
      text(x + 42, y + 10, `${tokens[0]}…${tokens.at(-1)}`, { size: 12 }),
      text(x + 42, y + 25, note, { size: 12, ...bold }),
    );
    if (from) parts.push(drawArrow([from[0], from[1]], [x - 2, y + 12], ink));
    const children = childrenOf(info.block);
    for (const [i, child] of children.entries()) {
      if (i > 0) row++;
      place(child, depth + 1, [x + 140, y + 12]);
    }
  };
  for (const info of childrenOf(undefined)) {
    place(info, 0);
    row++;
  }
  return parts.join('');
}

const ordinal = (n) => `${n}${['th', 'st', 'nd', 'rd'][n] ?? 'th'}`;
