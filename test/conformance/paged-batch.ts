import type { Random } from './random.js';

/** One sequence of a step: its last `queryLen` tokens run, and attend to `contextLen` in all. */
export interface SequenceShape {
  readonly queryLen: number;
  readonly contextLen: number;
}

/** A step's sequences, laid out in a cache as an engine would after a long life: in no order at all. */
export interface PagedBatch {
  readonly sequences: readonly SequenceShape[];
  readonly blockSize: number;
  /** Blocks of the cache: the null block 0, the owned ones, and some that nobody owns. */
  readonly numBlocks: number;
  /** `[numTableRows, tableStride]`; entries past a sequence's last block name no block at all. */
  readonly blockTables: Int32Array;
  readonly numTableRows: number;
  readonly tableStride: number;
  readonly tableRows: Int32Array;
  readonly queryStart: Int32Array;
  readonly contextLens: Int32Array;
  /** Rows of the step, padding included. */
  readonly numTokens: number;
  /** Per sequence the first position that any of its rows sees; the blocks before it are gone. */
  readonly firstVisible: readonly number[];
}

/** Ids that no cache has; one that is dereferenced reads far outside the pool. */
const farBlockIds = [2 ** 31 - 1, 50_000_000, -1, -(2 ** 31)];

/** Blocks beside those that sequences own, the null block included. */
const numStrangers = 4;

/** A length in words: a number of tokens, or `blockSize`, `blockSize-1` and so on. */
export function lengthOf(text: string, blockSize: number): number {
  const [, isRelative, difference] = /^(blockSize)?([+-]?\d+)?$/.exec(text)!;
  return (isRelative === undefined ? 0 : blockSize) + Number(difference ?? 0);
}

/**
 * Lays sequences out in shuffled blocks and shuffled table rows.
 *
 * Blocks that lie wholly before every row's window are given back, as an engine may do: the null
 * block stands in their place, and their slots are nobody's.
 *
 * @param sharedBlocks leading full blocks that the second sequence shares with the first, at most
 *   what both fill
 */
export function makePagedBatch(
  random: Random,
  options: {
    sequences: readonly SequenceShape[];
    blockSize: number;
    numPaddingRows?: number;
    sharedBlocks?: number;
    /** -1 is off. */
    window?: number;
  },
): PagedBatch {
  const { sequences, blockSize, numPaddingRows = 0, sharedBlocks = 0, window = -1 } = options;
  const { tables, numBlocks } = allocateTables(random, sequences, blockSize, sharedBlocks);
  const firstVisible = sequences.map(({ queryLen, contextLen }) =>
    window === -1 ? 0 : Math.max(0, contextLen - queryLen - window),
  );
  tables.forEach((table, s) => {
    table.fill(0, 0, Math.floor(firstVisible[s] / blockSize));
  });
  const queryStart = new Int32Array(sequences.length + 1);
  sequences.forEach(({ queryLen }, s) => {
    queryStart[s + 1] = queryStart[s] + queryLen;
  });
  return {
    sequences,
    blockSize,
    numBlocks,
    ...placeTables(random, tables),
    queryStart,
    contextLens: Int32Array.from(sequences, ({ contextLen }) => contextLen),
    numTokens: queryStart[sequences.length] + numPaddingRows,
    firstVisible,
  };
}

/** Gives each sequence blocks of its own, in no order, but those that the second one shares. */
function allocateTables(
  random: Random,
  sequences: readonly SequenceShape[],
  blockSize: number,
  sharedBlocks: number,
): { tables: number[][]; numBlocks: number } {
  const lengths = sequences.map(({ contextLen }) => Math.ceil(contextLen / blockSize));
  const numBlocks = lengths.reduce((sum, length) => sum + length, numStrangers);
  const free = random.shuffle(Array.from({ length: numBlocks - 1 }, (_, i) => i + 1));
  const tables = lengths.map((length) => free.splice(0, length));
  if (sequences.length < 2) return { tables, numBlocks };
  const numFull = sequences.map(({ contextLen }) => Math.floor(contextLen / blockSize));
  const shared = Math.min(sharedBlocks, numFull[0], numFull[1]);
  tables[1].splice(0, shared, ...tables[0].slice(0, shared));
  return { tables, numBlocks };
}

/** Puts the tables into shuffled rows, wider and more than needed, of ids that no cache has. */
function placeTables(random: Random, tables: readonly number[][]) {
  const numTableRows = tables.length + 2;
  const tableStride = Math.max(0, ...tables.map(({ length }) => length)) + random.integer(1, 4);
  const tableRows = Int32Array.from(
    random.shuffle(Array.from({ length: numTableRows }, (_, i) => i)).slice(0, tables.length),
  );
  const blockTables = Int32Array.from({ length: numTableRows * tableStride }, () =>
    random.pick(farBlockIds),
  );
  tables.forEach((table, s) => {
    blockTables.set(table, tableRows[s] * tableStride);
  });
  return { blockTables, numTableRows, tableStride, tableRows };
}

/** The slot of one position of one sequence. */
export function slotOf(batch: PagedBatch, sequence: number, position: number): number {
  const { blockSize, tableStride } = batch;
  const entry = batch.tableRows[sequence] * tableStride + Math.floor(position / blockSize);
  return batch.blockTables[entry] * blockSize + (position % blockSize);
}

/** Every slot that some sequence may read, each once. */
export function ownedSlots(batch: PagedBatch): Int32Array {
  const slots = new Set<number>();
  batch.sequences.forEach(({ contextLen }, s) => {
    for (let p = batch.firstVisible[s]; p < contextLen; p++) slots.add(slotOf(batch, s, p));
  });
  return Int32Array.from(slots);
}
