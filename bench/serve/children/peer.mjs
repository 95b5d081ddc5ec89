// node-llama-cpp in a process of its own, through its public face. Mirrors the functions of ours.mjs.

import { answerWith } from '../../cpu/children/answer.mjs';
import { loadLlama } from '../../cpu/children/llama.mjs';
import { servingOps } from './scenarios.mjs';

const greedy = { temperature: 0 };
let llama;
let model;
let vocabulary;
let context;
/** One per user of the scenario: each holds what its user sent last. */
let sequences = [];

async function open({ path, threads, vocabSize }) {
  vocabulary = vocabSize;
  ({ llama, model } = await loadLlama({ path, threads }));
  return { isa: llama.systemInfo.trim() };
}

/** A context with a sequence per user, as long as the scenario needs; the one before is freed. */
async function makeRoom({ numUsers, maxTokens }) {
  await context?.dispose();
  const threads = { ideal: llama.maxThreads, min: llama.maxThreads };
  context = await model.createContext({ sequences: numUsers, contextSize: maxTokens, threads });
  sequences = Array.from({ length: numUsers }, () => context.getSequence());
}

/** Keeps what the user's sequence shares with the prompt; gives the tokens that must be run. */
async function missingTokens(sequence, prompt) {
  await sequence.adaptStateToTokens([...prompt], false);
  const end = sequence.nextTokenIndex;
  if (end < prompt.length) return [...prompt.slice(end)];
  await sequence.eraseContextTokenRanges([{ start: prompt.length - 1, end }]);
  return [prompt.at(-1)];
}

/** The tokens of one user's prompt, as they come; leaving the loop ends the request. */
async function* tokensOf(user, prompt, maxTokens) {
  const sequence = sequences[user];
  let numTokens = 0;
  for await (const token of sequence.evaluate(await missingTokens(sequence, prompt), greedy)) {
    yield [token];
    if (++numTokens === maxTokens) return;
  }
}

/** Tokens that the library says were run, prompts and answers. */
function numComputed() {
  const meters = sequences.map(({ tokenMeter }) => tokenMeter.getState());
  return meters.reduce((sum, meter) => sum + meter.usedInputTokens + meter.usedOutputTokens, 0);
}

answerWith({
  open,
  ...servingOps({ tokensOf, vocabSize: () => vocabulary, makeRoom, numComputed }),
  close: () => llama.dispose(),
});
