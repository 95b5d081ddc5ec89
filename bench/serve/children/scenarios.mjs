// What users do to an engine, the same on both sides, and what they wait for. Runs in the engine's process.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { commonRate, makePrompt } from '../../cpu/children/answer.mjs';
import { percentile } from '../../machine.mjs';

/** A histogram counts the timer's own interval along. */
const resolutionMs = 1;
/** Tokens that every running stream must have had before a newcomer arrives, and after it was served. */
const numSettledTokens = 8;

/** Notes when the tokens of one request come, until `isOver` says so. */
async function follow(tokens, arrivals, isOver = () => false) {
  for await (const tokenIds of tokens) {
    arrivals.push({ ms: performance.now(), numTokens: tokenIds.length });
    if (isOver()) break;
  }
  return arrivals;
}

async function firstTokenMs(tokens) {
  const startMs = performance.now();
  for await (const _ of tokens) break;
  return performance.now() - startMs;
}

/** Longest wait between two tokens of a stream that lies in `[startMs, endMs)` at least partly. */
function worstGap(arrivals, startMs, endMs) {
  const gaps = arrivals.slice(1).map(({ ms }, i) => {
    const isInside = ms > startMs && arrivals[i].ms < endMs;
    return isInside ? ms - arrivals[i].ms : 0;
  });
  return Math.max(...gaps);
}

/** Waits until all streams have so many tokens; throws when one ends before. */
async function settle(streams, running, numTokensOf) {
  let hasEnded = false;
  for (const stream of running) {
    stream.finally(() => {
      hasEnded = true;
    });
  }
  while (streams.some(({ length }, i) => length < numTokensOf(i))) {
    if (hasEnded) throw new Error('a stream ended while the prompt was still to be served');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A long prompt arrives while streams run: their worst gap, and the prompt's time to first token. */
async function arrivalBesideStreams(engine, { numStreams, streamLen, promptLen, numTokens, seed }) {
  const vocabSize = engine.vocabSize();
  await engine.makeRoom({ numUsers: numStreams + 1, maxTokens: promptLen + numTokens });
  let isOver = false;
  const streams = Array.from({ length: numStreams }, () => []);
  const running = streams.map((arrivals, user) => {
    const prompt = makePrompt(streamLen, vocabSize, seed + user);
    return follow(engine.tokensOf(user, prompt, numTokens), arrivals, () => isOver);
  });
  await settle(streams, running, () => numSettledTokens);
  const startMs = performance.now();
  const quietGapMs = Math.max(
    ...streams.map((arrivals) => worstGap(arrivals.slice(1), 0, startMs)),
  );
  const prompt = makePrompt(promptLen, vocabSize, seed + numStreams);
  const firstMs = await firstTokenMs(engine.tokensOf(numStreams, prompt, 1));
  const endMs = startMs + firstMs;
  const numAtEnd = streams.map(({ length }) => length);
  await settle(streams, running, (i) => numAtEnd[i] + numSettledTokens);
  isOver = true;
  await Promise.all(running);
  const worstGapMs = Math.max(...streams.map((arrivals) => worstGap(arrivals, startMs, endMs)));
  const numMeanwhile = streams.map(
    (arrivals) => arrivals.filter(({ ms }) => ms > startMs && ms <= endMs).length,
  );
  return { worstGapMs, quietGapMs, firstTokenMs: firstMs, numMeanwhile };
}

/** Tokens per second of all streams together, while all of them decode. */
async function rateOfStreams(engine, { numStreams, promptLen, numTokens }) {
  const vocabSize = engine.vocabSize();
  await engine.makeRoom({ numUsers: numStreams, maxTokens: promptLen + numTokens });
  const prompts = Array.from({ length: numStreams }, (_, i) => makePrompt(promptLen, vocabSize, i));
  for (const [user, prompt] of prompts.entries()) {
    await follow(engine.tokensOf(user, prompt, 1), []);
  }
  const streams = prompts.map((prompt, user) =>
    follow(engine.tokensOf(user, prompt, numTokens), []),
  );
  return commonRate(await Promise.all(streams));
}

/** Milliseconds to the first token of a prompt whose beginning another user had computed. */
async function othersPrefix(engine, { promptLen, numCached, seed }) {
  await engine.makeRoom({ numUsers: 2, maxTokens: promptLen + 2 });
  const prompt = makePrompt(promptLen, engine.vocabSize(), seed);
  await follow(engine.tokensOf(0, prompt.subarray(0, numCached), 1), []);
  return firstTokenMs(engine.tokensOf(1, prompt, 1));
}

/** Users chat at once, each turn after turn, behind one shared system prompt. */
async function chats(engine, { numUsers, numTurns, systemLen, messageLen, answerLen, seed }) {
  const vocabSize = engine.vocabSize();
  const maxTokens = systemLen + numTurns * (messageLen + answerLen);
  await engine.makeRoom({ numUsers, maxTokens });
  const system = makePrompt(systemLen, vocabSize, seed);
  const firstTokens = [];
  let promptTokens = 0;
  const before = engine.numComputed();
  const chat = async (user) => {
    const tokens = [...system];
    for (let turn = 0; turn < numTurns; turn++) {
      tokens.push(...makePrompt(messageLen, vocabSize, seed + 1 + user * numTurns + turn));
      promptTokens += tokens.length;
      const startMs = performance.now();
      const answer = [];
      for await (const tokenIds of engine.tokensOf(user, tokens, answerLen)) {
        if (answer.length === 0) firstTokens.push(performance.now() - startMs);
        answer.push(...tokenIds);
      }
      tokens.push(...answer);
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: numUsers }, (_, user) => chat(user)));
  return {
    seconds: (performance.now() - startMs) / 1000,
    promptTokens,
    numComputed: engine.numComputed() - before,
    p50Ms: percentile(firstTokens, 0.5),
    p95Ms: percentile(firstTokens, 0.95),
  };
}

/**
 * The functions that a side answers with: one per scenario, each timing the event loop beside it.
 *
 * @param engine `tokensOf(user, prompt, maxTokens)`, `makeRoom({ numUsers, maxTokens })`, `vocabSize()` and
 *   `numComputed()`
 */
export function servingOps(engine) {
  const loop = monitorEventLoopDelay({ resolution: resolutionMs });
  const measured = (scenario) => async (args) => {
    loop.enable();
    const result = await scenario(engine, args);
    loop.disable();
    return result;
  };
  return {
    arrivalBesideStreams: measured(arrivalBesideStreams),
    rateOfStreams: measured(rateOfStreams),
    othersPrefix: measured(othersPrefix),
    chats: measured(chats),
    /** Delay of the event loop during all scenarios so far, in ms. */
    eventLoop: () => ({
      p99Ms: loop.percentile(99) / 1e6 - resolutionMs,
      maxMs: loop.max / 1e6 - resolutionMs,
    }),
  };
}
