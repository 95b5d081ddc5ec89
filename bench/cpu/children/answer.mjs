// The side of a child process: answers `{ id, op, args }` with `{ id, result }` or `{ id, error }`.

import { readFileSync } from 'node:fs';

/** Answers each message by the function of its name, one at a time. */
export function answerWith(ops) {
  let last = Promise.resolve();
  process.on('message', ({ id, op, args }) => {
    last = last.then(async () => {
      try {
        process.send({ id, result: await ops[op](args) });
      } catch (error) {
        process.send({ id, error: { code: error.code, message: String(error.message) } });
      }
    });
  });
  process.on('disconnect', () => process.exit());
}

/** Random words of the vocabulary: the same ids for the same seed, in every process. */
export function makePrompt(length, vocabSize, seed) {
  const firstWord = 259;
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  return Int32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return firstWord + (Math.floor(state / 256) % (vocabSize - firstWord));
  });
}

/**
 * Tokens per second of several streams while all of them run: from the last one's first token to the
 * first one's last.
 *
 * @param streams per stream `[{ ms, numTokens }]`, in order of time
 */
export function commonRate(streams) {
  const startMs = Math.max(...streams.map((arrivals) => arrivals[0].ms));
  const endMs = Math.min(...streams.map((arrivals) => arrivals.at(-1).ms));
  if (endMs <= startMs) throw new Error('the streams never ran at once, or too fast to be timed');
  const numTokens = streams
    .flat()
    .filter(({ ms }) => ms > startMs && ms <= endMs)
    .reduce((sum, arrival) => sum + arrival.numTokens, 0);
  return numTokens / ((endMs - startMs) / 1000);
}

/** Most memory that this process ever had resident, in bytes. */
export function peakRssBytes() {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(kib) * 1024;
}
