// The table of `npm run bench:serve`: what each scenario is given, and what its figures must show.

import { atLeast, atMost } from '../cpu/rows.mjs';

const milliseconds = (number) => `${number} ms`;
const open = { text: 'no limit', isMet: undefined };

/** Of the event loop while everything runs; a maximum needs a quiet machine. */
const loopLimits = { p99Ms: 5, maxMs: 25 };

/**
 * What both sides run, in order.
 *
 * @returns `[{ op, args, rounds }]`; `op` is a function of bench/serve/children/scenarios.mjs
 */
export function servingPlan(isQuick) {
  const promptLen = isQuick ? 512 : 2048;
  const rates = (numStreams, length) => ({
    name: `rate ${numStreams} ${length}`,
    op: 'rateOfStreams',
    args: { numStreams, promptLen: length, numTokens: isQuick ? 16 : 64 },
    rounds: 1,
  });
  return [
    {
      name: 'gap',
      op: 'arrivalBesideStreams',
      args: { numStreams: 3, streamLen: 128, promptLen, numTokens: isQuick ? 300 : 1200 },
      rounds: isQuick ? 1 : 3,
    },
    ...(isQuick ? [1, 4] : [1, 4, 8, 16]).map((numStreams) => rates(numStreams, 128)),
    ...(isQuick ? [] : [rates(8, 1024)]),
    {
      name: 'prefix',
      op: 'othersPrefix',
      args: { promptLen, numCached: promptLen - 148 },
      rounds: isQuick ? 1 : 3,
    },
    {
      name: 'chats',
      op: 'chats',
      args: isQuick
        ? { numUsers: 2, numTurns: 2, systemLen: 300, messageLen: 40, answerLen: 8 }
        : { numUsers: 8, numTurns: 6, systemLen: 1500, messageLen: 40, answerLen: 24 },
      rounds: 1,
    },
  ];
}

/** A row of times: the ratio says how many times sooner we are. */
function timeRow(name, ours, peer, limits = []) {
  const [gate, goal] = limits.map((limit) => atMost(ours, limit, milliseconds));
  const ratio = peer === undefined ? undefined : peer / ours;
  return { name, unit: 'ms', ours, peer, ratio, gate: gate ?? open, goal: goal ?? open };
}

function rateRow(name, ours, peer, isJudged) {
  const ratio = peer === undefined ? undefined : ours / peer;
  const [gate, goal] = isJudged ? [atLeast('', ratio, 3.5), atLeast('', ratio, 5)] : [open, open];
  return { name, unit: 'tok/s', ours, peer, ratio, gate, goal };
}

/**
 * Rows as `tableLines` of bench/cpu/table.mjs prints them.
 *
 * @param plan of {@link servingPlan}
 * @param sides `{ ours, peer }`: per name of the plan its figures; `peer` is undefined without one
 */
export function judgeServing(plan, { ours, peer }) {
  const rows = [];
  for (const { name, op, args } of plan) {
    const [mine, theirs] = [ours[name], peer?.[name]];
    if (op === 'arrivalBesideStreams') {
      const what = `a ${args.promptLen}-token prompt beside ${args.numStreams} streams`;
      rows.push(
        timeRow(`worst gap: ${what}`, mine.worstGapMs, theirs?.worstGapMs, [250, 110]),
        timeRow('… worst gap before it came', mine.quietGapMs, theirs?.quietGapMs),
        timeRow('… its first token', mine.firstTokenMs, theirs?.firstTokenMs),
      );
    } else if (op === 'rateOfStreams') {
      const { numStreams, promptLen } = args;
      const text = `${numStreams} ${numStreams === 1 ? 'stream' : 'streams'} after ${promptLen} tokens`;
      rows.push(rateRow(text, mine, theirs, numStreams === 8));
    } else if (op === 'othersPrefix') {
      const text = `first token, another user computed ${args.numCached} of ${args.promptLen}`;
      rows.push(timeRow(text, mine, theirs, [300, 200]));
    } else {
      rows.push(...chatRows(args, mine, theirs));
    }
  }
  return rows;
}

function chatRows({ numUsers, numTurns, systemLen }, mine, theirs) {
  const ratio = theirs && theirs.numComputed / mine.numComputed;
  const computed = { ours: mine.numComputed, peer: theirs?.numComputed, ratio };
  const what = `${numUsers} users, ${numTurns} turns, ${systemLen} shared tokens`;
  return [
    { name: `tokens computed: ${what}`, unit: 'tok', ...computed, gate: open, goal: open },
    timeRow('… first token, p50', mine.p50Ms, theirs?.p50Ms),
    timeRow('… first token, p95', mine.p95Ms, theirs?.p95Ms),
  ];
}

/** The event loop of our process during all of it (promise P3); without a goal beyond the promise. */
export function judgeLoop(ours, peer) {
  return [
    ['p99', 'p99Ms'],
    ['maximum', 'maxMs'],
  ].map(([text, key]) => ({
    ...timeRow(`delay of the event loop, ${text}`, ours[key], peer?.[key], [loopLimits[key]]),
    ratio: undefined,
  }));
}
