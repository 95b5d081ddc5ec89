// What the prefix cache decides, the obvious way: registering, keeping, pinning, invalidating.
import { type Entry, OracleBlocks } from './oracle-blocks.js';

/** A table as the oracle sees it. */
export interface OracleSequence {
  readonly keys: string;
  blocks: number[];
  numShared: number;
  numRegistered: number;
  maxKeep: number;
  /** Block that holds the tail; -1: the driver shall say which of several. */
  tailBlock: number;
  /** What that block held then. */
  tailEntry: Entry | undefined;
  sources: number[];
}

interface OraclePin {
  readonly blocks: number[];
  readonly tag: string | undefined;
  readonly expiresAtMs: number;
}

export interface OracleMatch {
  readonly places: number[];
  /** Blocks that share the most tokens with the rest; any of them may be copied. */
  readonly sources: number[];
  readonly numShared: number;
}

export class CacheOracle extends OracleBlocks {
  readonly pins = new Map<number, OraclePin>();

  constructor(
    numBlocks: number,
    blockSize: number,
    readonly maxPinned: number,
  ) {
    super(numBlocks, blockSize);
  }

  match(keys: string, tokens: readonly number[], maxTokens: number): OracleMatch {
    const places: number[] = [];
    let numFull = 0;
    for (; (numFull + 1) * this.blockSize <= maxTokens; numFull++) {
      const entry = this.entries.get(textOf(keys, tokens.slice(0, (numFull + 1) * this.blockSize)));
      if (entry === undefined) break;
      places.push(entry.places[0]);
    }
    const start = numFull * this.blockSize;
    const rest = tokens.slice(start, Math.min(maxTokens, start + this.blockSize - 1));
    const parent = textOf(keys, tokens.slice(0, start));
    let numShared = 0;
    let sources: number[] = [];
    for (const entry of this.entries.values()) {
      if (entry.parent !== parent) continue;
      const shared = countShared(entry.tokens, rest);
      if (shared > numShared) sources = [];
      numShared = Math.max(numShared, shared);
      if (shared === numShared) sources.push(entry.places[0]);
    }
    return { places, sources: numShared === 0 ? [] : sources, numShared };
  }

  register(sequence: OracleSequence, tokens: readonly number[], end: number): void {
    const limit = Math.min(end, sequence.maxKeep);
    for (; (sequence.numRegistered + 1) * this.blockSize <= limit; sequence.numRegistered++) {
      const index = sequence.numRegistered;
      if (!this.isRooted(sequence, index)) return;
      const block = sequence.blocks[index];
      const held = this.holder[block];
      if (held?.isTail) this.removePlace(block, 'superseded');
      else if (held !== undefined) continue;
      const text = textOf(sequence.keys, tokens.slice(0, (index + 1) * this.blockSize));
      const known = this.entries.get(text);
      if (known !== undefined) {
        known.places.push(block);
        known.isShared = true;
        this.holder[block] = known;
      } else {
        this.addEntry(sequence, tokens.slice(0, (index + 1) * this.blockSize), block, false);
      }
    }
  }

  registerTail(sequence: OracleSequence, tokens: readonly number[], numTokens: number): void {
    const numKept = Math.min(numTokens, sequence.maxKeep);
    const index = Math.floor(numKept / this.blockSize);
    if (numKept % this.blockSize === 0 || !this.isRooted(sequence, index)) return;
    const rest = tokens.slice(index * this.blockSize, numKept);
    const parent = textOf(sequence.keys, tokens.slice(0, index * this.blockSize));
    const covers = this.childrenOf(parent).filter(
      (e) => countShared(e.tokens, rest) === rest.length,
    );
    if (covers.length > 0) {
      // Which of several covers is remembered only matters to pins: the driver says which.
      sequence.tailBlock = -1;
      return;
    }
    const block = sequence.blocks[index];
    if (this.holder[block]?.isTail) this.removePlace(block, 'superseded');
    else if (this.holder[block] !== undefined) return;
    this.addEntry(sequence, tokens.slice(0, numKept), block, true);
    this.setTail(sequence, block);
  }

  setTail(sequence: OracleSequence, block: number): void {
    sequence.tailBlock = block;
    sequence.tailEntry = this.holder[block];
  }

  /** What `free` does before it releases: keep and idle limits. */
  discard(sequence: OracleSequence, maxKept: number): void {
    const numKept = Math.max(sequence.numShared, Math.floor(maxKept / this.blockSize));
    while (sequence.numRegistered > numKept) {
      const block = sequence.blocks[sequence.numRegistered - 1];
      const entry = this.holder[block];
      if (entry !== undefined && !entry.isTail) {
        if (entry.isShared || this.refs[block] > 1) return;
        this.removePlace(block, 'discarded');
      }
      sequence.numRegistered--;
    }
  }

  limitIdleness(blocks: readonly number[], maxIdleMs: number | undefined): void {
    for (const block of blocks) {
      const entry = this.holder[block]!;
      entry.idleLimitMs = Math.max(entry.idleLimitMs, maxIdleMs ?? Number.POSITIVE_INFINITY);
    }
  }

  findPath(sequence: OracleSequence): number[] {
    const path: number[] = [];
    for (const block of sequence.blocks.slice(0, sequence.numRegistered)) {
      if (!this.isFull(block)) break;
      path.push(block);
    }
    const tail = this.holder[sequence.tailBlock];
    if (tail !== sequence.tailEntry) return path;
    const end = path.length === 0 ? `${sequence.keys}:` : this.holder[path.at(-1)!]!.text;
    return tail?.parent === end ? [...path, sequence.tailBlock] : path;
  }

  canPin(blocks: readonly number[]): boolean {
    const pinned = new Set([...this.pins.values()].flatMap((pin) => pin.blocks));
    return new Set([...pinned, ...blocks]).size <= this.maxPinned;
  }

  pin(id: number, pin: OraclePin): void {
    for (const block of pin.blocks) this.hold(block);
    this.pins.set(id, pin);
  }

  unpin(id: number): void {
    const pin = this.pins.get(id)!;
    this.pins.delete(id);
    for (const block of [...pin.blocks].reverse()) this.release(block);
  }

  countPinnedOnly(): number {
    const numPins = new Map<number, number>();
    for (const { blocks } of this.pins.values()) {
      for (const block of blocks) numPins.set(block, (numPins.get(block) ?? 0) + 1);
    }
    return [...numPins].filter(([block, count]) => this.refs[block] === count).length;
  }

  expire(): void {
    const due = [...this.pins].filter(([, pin]) => pin.expiresAtMs <= this.nowMs);
    due.sort(([, a], [, b]) => a.expiresAtMs - b.expiresAtMs);
    for (const [id] of due) this.unpin(id);
    for (const [block, deadlineMs] of [...this.deadlines]) {
      if (this.deadlines.has(block) && deadlineMs <= this.nowMs) this.removePlace(block, 'expired');
    }
  }

  drop(sequence: OracleSequence, from: number): void {
    const tail = sequence.tailBlock;
    const isOwn = sequence.blocks.includes(tail) && this.holder[tail]?.isTail === true;
    if (isOwn) this.removePlace(tail, 'dropped');
    for (let i = sequence.numRegistered - 1; i >= from; i--) {
      const block = sequence.blocks[i];
      if (this.isFull(block)) this.removePlace(block, 'dropped');
    }
    sequence.numRegistered = Math.min(sequence.numRegistered, from);
  }

  invalidateWhere(isNamed: (text: string) => boolean): void {
    for (const entry of [...this.entries.values()]) {
      if (this.entries.has(entry.text) && isNamed(entry.text)) {
        this.removeSubtree(entry, 'invalidated');
      }
    }
  }

  invalidateTag(tag: string): void {
    const tagged = [...this.pins].filter(([, pin]) => pin.tag === tag);
    const ends = tagged.map(([, pin]) => this.holder[pin.blocks.at(-1) ?? 0]);
    for (const [id] of tagged) this.unpin(id);
    for (const end of ends) {
      let entry = end;
      while (entry !== undefined && this.entries.get(entry.text) === entry) {
        this.removeSubtree(entry, 'invalidated');
        this.removeVoidPins();
        const above: Entry | undefined = this.entries.get(entry.parent);
        const isPinned = [...this.pins.values()].some((pin) =>
          above?.places.some((place) => pin.blocks.includes(place)),
        );
        if (above === undefined || isPinned || this.childrenOf(above.text).length > 0) break;
        entry = above;
      }
    }
  }

  removeVoidPins(): void {
    for (const [id, pin] of [...this.pins]) {
      const end = pin.blocks.at(-1);
      if (end !== undefined && this.holder[end] === undefined) this.unpin(id);
    }
  }

  private addEntry(
    sequence: OracleSequence,
    prefix: readonly number[],
    block: number,
    isTail: boolean,
  ): void {
    const start = Math.floor((prefix.length - 1) / this.blockSize) * this.blockSize;
    const tokens = prefix.slice(start);
    const parent = textOf(sequence.keys, prefix.slice(0, start));
    for (const entry of this.childrenOf(parent)) {
      const isWithin = entry.tokens.length < tokens.length && this.isIdle(entry.places[0]);
      if (entry.isTail && isWithin && countShared(entry.tokens, tokens) === entry.tokens.length) {
        this.removePlace(entry.places[0], 'superseded');
      }
    }
    const text = textOf(sequence.keys, prefix) + (isTail ? '~' : '');
    const entry = {
      text,
      parent,
      tokens,
      isTail,
      places: [block],
      idleLimitMs: 0,
      isShared: false,
    };
    this.entries.set(text, entry);
    this.holder[block] = entry;
  }

  private isRooted(sequence: OracleSequence, index: number): boolean {
    if (index === 0) return true;
    return index <= sequence.numRegistered && this.isFull(sequence.blocks[index - 1]);
  }
}

export function textOf(keys: string, tokens: readonly number[]): string {
  return `${keys}:${tokens.join(',')}`;
}

function countShared(a: readonly number[], b: readonly number[]): number {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  return i;
}
