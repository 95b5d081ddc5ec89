// paged-attention in a process of its own, through its public face. Mirrors the functions of peer.mjs.

import { load } from '../../../dist/index.js';
import { answerWith } from '../../cpu/children/answer.mjs';
import { servingOps } from './scenarios.mjs';

const greedy = { temperature: 0, ignoreEos: true };
let llm;

/** Loads the model with a KV pool of `kvTokens` tokens. */
async function open({ path, kvTokens, kvBytesPerToken, ...options }) {
  llm = await load(path, { ...options, kvCacheBytes: kvTokens * kvBytesPerToken });
  return llm.info;
}

/** The tokens of one user's prompt, as they come; leaving the loop ends the request. */
async function* tokensOf(_user, prompt, maxTokens) {
  const generation = llm.generate(Int32Array.from(prompt), { ...greedy, maxTokens });
  for await (const { tokenIds } of generation.chunks()) yield tokenIds;
}

answerWith({
  open,
  ...servingOps({
    tokensOf,
    vocabSize: () => llm.info.vocabSize,
    /** Every user can have the whole context: nothing to make. */
    makeRoom: () => {},
    /** Rows that the device ran. */
    numComputed: () => llm.stats().tokensComputed,
  }),
  close: () => llm.close('abort'),
});
