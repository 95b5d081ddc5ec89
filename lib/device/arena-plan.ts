/** An activation's life: written first by op `firstOp`, touched last by op `lastOp`, both included. */
export interface Lifetime {
  readonly byteLength: number;
  readonly firstOp: number;
  readonly lastOp: number;
}

/** Where each activation lies in the arena. */
export interface ArenaPlan {
  /** Byte offset of each lifetime, in the order given; multiples of {@link arenaAlignment}. */
  readonly offsets: readonly number[];
  /** Bytes of the whole arena. */
  readonly byteLength: number;
}

/** Bytes; one cache line, and the widest vector of any instruction set. */
export const arenaAlignment = 64;

interface Placed {
  readonly start: number;
  readonly end: number;
  readonly lifetime: Lifetime;
}

/**
 * Places activations so that two which live at the same time never share a byte.
 *
 * The largest is placed first; each goes into the lowest gap that is wide enough among those placed
 * that live at the same time. An op's inputs and outputs live at the same time: kernels may write
 * before they have read everything.
 */
export function planArena(lifetimes: readonly Lifetime[]): ArenaPlan {
  const bySize = lifetimes
    .map((lifetime, index) => ({ lifetime, index }))
    .toSorted((a, b) => b.lifetime.byteLength - a.lifetime.byteLength || a.index - b.index);

  const placed: Placed[] = [];
  const offsets = new Array<number>(lifetimes.length).fill(0);
  for (const { lifetime, index } of bySize) {
    const size = Math.ceil(lifetime.byteLength / arenaAlignment) * arenaAlignment;
    const neighbours = placed.filter((other) => overlaps(other.lifetime, lifetime));
    const start = lowestGap(neighbours, size);
    offsets[index] = start;
    insertByStart(placed, { start, end: start + size, lifetime });
  }
  return { offsets, byteLength: placed.reduce((end, other) => Math.max(end, other.end), 0) };
}

function overlaps(a: Lifetime, b: Lifetime): boolean {
  return a.firstOp <= b.lastOp && b.firstOp <= a.lastOp;
}

/** Lowest offset with `size` free bytes between `neighbours`, which are sorted by start. */
function lowestGap(neighbours: readonly Placed[], size: number): number {
  let offset = 0;
  for (const { start, end } of neighbours) {
    if (start - offset >= size) break;
    offset = Math.max(offset, end);
  }
  return offset;
}

function insertByStart(placed: Placed[], entry: Placed): void {
  const at = placed.findIndex((other) => other.start > entry.start);
  placed.splice(at < 0 ? placed.length : at, 0, entry);
}
