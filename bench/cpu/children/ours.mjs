// paged-attention in a process of its own, through its public face. Mirrors the functions of peer.mjs.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { load } from '../../../dist/index.js';
import { answerWith, commonRate, makePrompt, peakRssBytes } from './answer.mjs';

const greedy = { temperature: 0, ignoreEos: true };
let llm;

/** Loads the model; gives what it says of itself, and the milliseconds. */
async function open({ path, kvTokens, kvBytesPerToken, ...options }) {
  const startMs = performance.now();
  llm = await load(path, { ...options, kvCacheBytes: kvTokens * kvBytesPerToken });
  return { loadMs: performance.now() - startMs, info: llm.info };
}

/** Milliseconds to the first token of a prompt that nobody sent before. */
async function prefill({ promptLen, seed }) {
  const prompt = makePrompt(promptLen, llm.info.vocabSize, seed);
  const startMs = performance.now();
  const { usage } = await llm.generate(prompt, { ...greedy, maxTokens: 1, cache: 'off' });
  if (usage.cachedTokens !== 0) throw new Error(`${usage.cachedTokens} tokens were cached`);
  return performance.now() - startMs;
}

async function arrivals(prompt, maxTokens) {
  const result = [];
  for await (const { tokenIds } of llm.generate(prompt, { ...greedy, maxTokens }).chunks()) {
    result.push({ ms: performance.now(), numTokens: tokenIds.length });
  }
  return result;
}

/** Sequences that decode together after prompts already computed; gives when their tokens came. */
async function decodeTogether({ numSeqs, promptLen, numTokens }) {
  const { vocabSize } = llm.info;
  const prompts = Array.from({ length: numSeqs }, (_, i) => makePrompt(promptLen, vocabSize, i));
  for (const prompt of prompts) await llm.generate(prompt, { ...greedy, maxTokens: 1 });
  return Promise.all(prompts.map((prompt) => arrivals(prompt, numTokens)));
}

/** Milliseconds to the first token of a prompt whose beginning another user sent. */
async function prefillCached({ promptLen, numCached, seed }) {
  const prompt = makePrompt(promptLen, llm.info.vocabSize, seed);
  await llm.generate(prompt.subarray(0, numCached), { ...greedy, maxTokens: 1 });
  const startMs = performance.now();
  const { usage } = await llm.generate(prompt, { ...greedy, maxTokens: 1 });
  const ms = performance.now() - startMs;
  if (usage.cachedTokens !== numCached) throw new Error(`cached ${usage.cachedTokens}`);
  return ms;
}

/** The most likely first tokens: `[[id, log-probability], …]`. */
async function firstStep({ promptLen, seed }) {
  const prompt = makePrompt(promptLen, llm.info.vocabSize, seed);
  const reply = await llm.generate(prompt, { ...greedy, maxTokens: 1, logprobs: 20 });
  return reply.logprobs[0].top.map(({ tokenId, logprob }) => [tokenId, logprob]);
}

/** Milliseconds of reading the weights' file, warm, into memory that was not touched before. */
function readFile({ path }) {
  const file = openSync(join(path, 'model.safetensors'), 'r');
  const { size } = fstatSync(file);
  const scratch = Buffer.alloc(1 << 24);
  for (let at = 0; at < size; at += scratch.length) readSync(file, scratch, 0, scratch.length, at);
  const bytes = Buffer.allocUnsafeSlow(size);
  const startMs = performance.now();
  for (let at = 0; at < size; ) at += readSync(file, bytes, at, Math.min(size - at, 1 << 30), at);
  const ms = performance.now() - startMs;
  closeSync(file);
  return ms;
}

answerWith({
  open,
  prefill,
  decode: async (args) => commonRate(await decodeTogether(args)),
  fill: async (args) => (await decodeTogether(args)).length,
  prefillCached,
  firstStep,
  readFile,
  peakRss: () => peakRssBytes(),
  close: () => llm.close('abort'),
});
