// node-llama-cpp in a process of its own, through its public face. Mirrors the functions of ours.mjs.

import { answerWith, commonRate, makePrompt, peakRssBytes } from './answer.mjs';
import { loadLlama } from './llama.mjs';

const greedy = { temperature: 0 };
/** Room for the tokens that are generated after a prompt. */
const outputRoom = 192;
let llama;
let model;
let vocabSize;
/** Sequences by how many there are and how long; kept, so that later rounds find their prompts computed. */
const sequencesByShape = new Map();

/** Loads library and model; gives the milliseconds, with a context of the default size. */
async function open({ path, threads, ...rest }) {
  ({ vocabSize } = rest);
  const startMs = performance.now();
  ({ llama, model } = await loadLlama({ path, threads }));
  await sequencesFor(1, 2048);
  return { loadMs: performance.now() - startMs, info: { isa: llama.systemInfo.trim() } };
}

/** Sequences of one context with room for prompts of `promptLen`, empty or as a row left them. */
async function sequencesFor(numSeqs, promptLen) {
  const key = `${numSeqs} ${promptLen}`;
  const found = sequencesByShape.get(key);
  if (found) return found;
  const context = await model.createContext({
    sequences: numSeqs,
    contextSize: promptLen + outputRoom,
    threads: { ideal: llama.maxThreads, min: llama.maxThreads },
  });
  const sequences = Array.from({ length: numSeqs }, () => context.getSequence());
  sequencesByShape.set(key, sequences);
  return sequences;
}

const promptOf = (length, seed) => [...makePrompt(length, vocabSize, seed)];

async function firstTokenMs(sequence, prompt) {
  const startMs = performance.now();
  for await (const _ of sequence.evaluate(prompt, greedy)) break;
  return performance.now() - startMs;
}

/** Milliseconds to the first token of a prompt that nobody sent before. */
async function prefill({ promptLen, seed }) {
  const [sequence] = await sequencesFor(1, promptLen);
  await sequence.clearHistory();
  return firstTokenMs(sequence, promptOf(promptLen, seed));
}

/** Runs the prompt but its last token, unless the sequence holds it. */
async function prime(sequence, prompt) {
  await sequence.adaptStateToTokens(prompt, false);
  const rest = prompt.slice(sequence.nextTokenIndex, -1);
  if (rest.length > 0) await sequence.evaluateWithoutGeneratingNewTokens(rest);
  const end = sequence.nextTokenIndex;
  if (end >= prompt.length) {
    await sequence.eraseContextTokenRanges([{ start: prompt.length - 1, end }]);
  }
}

async function arrivals(sequence, lastToken, numTokens) {
  const result = [];
  for await (const _ of sequence.evaluate([lastToken], greedy)) {
    result.push({ ms: performance.now(), numTokens: 1 });
    if (result.length === numTokens) break;
  }
  return result;
}

/** Sequences that decode together after prompts already computed; gives when their tokens came. */
async function decodeTogether({ numSeqs, promptLen, numTokens }) {
  const sequences = await sequencesFor(numSeqs, promptLen);
  const prompts = sequences.map((_, i) => promptOf(promptLen, i));
  for (const [i, sequence] of sequences.entries()) await prime(sequence, prompts[i]);
  const streams = sequences.map((sequence, i) => arrivals(sequence, prompts[i].at(-1), numTokens));
  return Promise.all(streams);
}

/**
 * Milliseconds to the first token of a prompt whose beginning another sequence has. That one keeps it,
 * so that later rounds need not compute it again.
 */
async function prefillCached({ promptLen, numCached }) {
  const [other, sequence] = await sequencesFor(2, promptLen);
  const prompt = promptOf(promptLen, 0);
  if (other.nextTokenIndex !== numCached) {
    await other.clearHistory();
    await other.evaluateWithoutGeneratingNewTokens(prompt.slice(0, numCached));
  }
  await sequence.clearHistory();
  return firstTokenMs(sequence, prompt);
}

/** The most likely first tokens: `[[id, log-probability], …]`. */
async function firstStep({ promptLen, seed }) {
  const [sequence] = await sequencesFor(1, promptLen);
  await sequence.clearHistory();
  const asIs = { temperature: 1, topK: 0, topP: 1, minP: 0 };
  const steps = sequence.evaluateWithMetadata(
    promptOf(promptLen, seed),
    { probabilities: true },
    asIs,
  );
  for await (const { probabilities } of steps) {
    return [...probabilities].slice(0, 200).map(([id, value]) => [id, Math.log(value)]);
  }
}

answerWith({
  open,
  prefill,
  decode: async (args) => commonRate(await decodeTogether(args)),
  fill: async (args) => (await decodeTogether(args)).length,
  prefillCached,
  firstStep,
  peakRss: () => peakRssBytes(),
  close: () => llama.dispose(),
});
