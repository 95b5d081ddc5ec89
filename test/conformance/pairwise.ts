import type { Random } from './random.js';

/** What a case may vary: the values of each named axis. */
export type Axes = Readonly<Record<string, readonly unknown[]>>;

/** One value per axis. */
export type Combination<A extends Axes> = { readonly [K in keyof A]: A[K][number] };

/** Candidates drawn per case; the one that covers most new pairs is kept. */
const numCandidates = 12;

/**
 * Combinations in which every two values of different axes meet at least once.
 *
 * Greedy: each case starts from a pair that nothing covers yet and takes, axis by axis in random
 * order, the value that meets most uncovered pairs. So it needs about (two largest axes' sizes
 * multiplied) cases instead of the whole product.
 *
 * @param minCases more are drawn at random when the cover is smaller
 * @see D. M. Cohen et al. 1997, The AETG system (IEEE TSE 23:7)
 */
export function pairwiseCover<A extends Axes>(
  axes: A,
  random: Random,
  minCases: number,
): Combination<A>[] {
  const names = Object.keys(axes);
  const uncovered = allPairs(axes, names);
  const cover: number[][] = [];
  while (uncovered.size > 0) {
    const best = bestCandidate(axes, names, uncovered, random);
    for (const pair of pairsOf(best)) uncovered.delete(pair);
    cover.push(best);
  }
  while (cover.length < minCases) {
    cover.push(names.map((name) => random.integer(0, axes[name].length)));
  }
  return cover.map((choice) => combinationOf(axes, names, choice));
}

/** Every combination of the axes, the last axis fastest. */
export function* fullProduct<A extends Axes>(axes: A): Generator<Combination<A>> {
  const names = Object.keys(axes);
  const choice = names.map(() => 0);
  if (names.some((name) => axes[name].length === 0)) return;
  for (;;) {
    yield combinationOf(axes, names, choice);
    let i = names.length - 1;
    while (i >= 0 && choice[i] === axes[names[i]].length - 1) choice[i--] = 0;
    if (i < 0) return;
    choice[i]++;
  }
}

const pairKey = (i: number, vi: number, j: number, vj: number) => `${i}.${vi}-${j}.${vj}`;

function allPairs(axes: Axes, names: readonly string[]): Set<string> {
  const pairs = new Set<string>();
  names.forEach((first, i) => {
    for (let j = i + 1; j < names.length; j++) {
      for (let vi = 0; vi < axes[first].length; vi++) {
        for (let vj = 0; vj < axes[names[j]].length; vj++) pairs.add(pairKey(i, vi, j, vj));
      }
    }
  });
  return pairs;
}

function pairsOf(choice: readonly number[]): string[] {
  return choice.flatMap((vi, i) =>
    choice.slice(i + 1).map((vj, k) => pairKey(i, vi, i + 1 + k, vj)),
  );
}

function bestCandidate(
  axes: Axes,
  names: readonly string[],
  uncovered: ReadonlySet<string>,
  random: Random,
): number[] {
  const [first] = uncovered;
  let best: number[] = [];
  let bestGain = -1;
  for (let attempt = 0; attempt < numCandidates; attempt++) {
    const choice = greedyCandidate(axes, names, { uncovered, startPair: first }, random);
    const gain = pairsOf(choice).filter((pair) => uncovered.has(pair)).length;
    if (gain > bestGain) {
      best = choice;
      bestGain = gain;
    }
  }
  return best;
}

function greedyCandidate(
  axes: Axes,
  names: readonly string[],
  goal: { uncovered: ReadonlySet<string>; startPair: string },
  random: Random,
): number[] {
  const choice = new Array<number>(names.length).fill(-1);
  for (const part of goal.startPair.split('-')) {
    const [axis, value] = part.split('.').map(Number);
    choice[axis] = value;
  }
  for (const axis of random.shuffle(names.map((_, i) => i))) {
    if (choice[axis] !== -1) continue;
    const values = random.shuffle(axes[names[axis]].map((_, v) => v));
    const gains = values.map((v) => gainOf(choice, axis, v, goal.uncovered));
    choice[axis] = values[gains.indexOf(Math.max(...gains))];
  }
  return choice;
}

function gainOf(
  choice: readonly number[],
  axis: number,
  value: number,
  uncovered: ReadonlySet<string>,
): number {
  let gain = 0;
  choice.forEach((other, i) => {
    if (other === -1 || i === axis) return;
    const key = i < axis ? pairKey(i, other, axis, value) : pairKey(axis, value, i, other);
    if (uncovered.has(key)) gain++;
  });
  return gain;
}

function combinationOf<A extends Axes>(
  axes: A,
  names: readonly string[],
  choice: readonly number[],
): Combination<A> {
  return Object.fromEntries(
    names.map((name, i) => [name, axes[name][choice[i]]]),
  ) as Combination<A>;
}
