// What the users of the soak ask, and whether each of them got exactly what it should.

import { makePrompt } from '../cpu/children/answer.mjs';

/** Numbers in [0, 1), the same for the same seed: mulberry32. */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let h = Math.imul(state ^ (state >>> 15), state | 1);
    h ^= h + Math.imul(h ^ (h >>> 7), h | 61);
    return ((h ^ (h >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How requests are mixed; numbers are tokens. */
export const mixes = {
  recall: { numPrompts: 128, sharedLen: 64, ownLen: [8, 96], outputLen: [8, 32], maxSeqs: 16 },
  s03: { numPrompts: 16, sharedLen: 96, ownLen: [8, 96], outputLen: [8, 24], maxSeqs: 8 },
};
const numShared = 4;
/** Organisations: equal prompts of two of them share nothing. */
const numSalts = 6;
const abortShare = 0.06;

/** The prompts, each with what it is answered alone, one at a time and with the cache off. */
export async function makeQuestions(llm, mix, random) {
  const between = ([low, high]) => low + Math.floor(random() * (high - low + 1));
  const { vocabSize } = llm.info;
  const shared = Array.from({ length: numShared }, (_, i) => [
    ...makePrompt(mix.sharedLen, vocabSize, 10_000 + i),
  ]);
  const questions = [];
  for (let i = 0; i < mix.numPrompts; i++) {
    const own = makePrompt(between(mix.ownLen), vocabSize, i);
    const prompt = Int32Array.from([...(shared[i % (numShared + 1)] ?? []), ...own]);
    const options = { maxTokens: between(mix.outputLen), ignoreEos: true, seed: i, temperature: 1 };
    const { tokenIds } = await llm.generate(prompt, { ...options, cache: 'off' });
    questions.push({ prompt, options, tokenIds });
  }
  return questions;
}

/** Sends requests and keeps the books: each must end, with an answer or a typed error. */
export class Traffic {
  /** Counts of how requests ended, and of tokens that arrived. */
  counts = { sent: 0, answered: 0, aborted: 0, refused: 0, tokens: 0 };
  /** What must not happen, the first few. */
  faults = [];
  #open = new Set();

  constructor(llm, questions, random) {
    this.llm = llm;
    this.questions = questions;
    this.random = random;
  }

  get numOpen() {
    return this.#open.size;
  }

  /** Sends one request; resolves when it has ended, however it did. */
  send() {
    this.counts.sent++;
    const { random, questions } = this;
    const question = questions[Math.floor(random() * questions.length)];
    const salt = `org-${Math.floor(random() * numSalts)}`;
    const isAborted = random() < abortShare;
    const abortAfter = isAborted ? Math.floor(random() * question.tokenIds.length) : Infinity;
    const ended = this.#run(question, salt, abortAfter).catch((error) => this.#fault(error));
    this.#open.add(ended);
    return ended.finally(() => this.#open.delete(ended));
  }

  whenEmpty() {
    return Promise.all(this.#open);
  }

  async #run({ prompt, options, tokenIds: expected }, salt, abortAfter) {
    const generation = this.llm.generate(prompt, { ...options, salt });
    const got = [];
    try {
      if (abortAfter === 0) setTimeout(() => generation.abort(), 20 * this.random());
      for await (const { tokenIds } of generation.chunks()) {
        for (const token of tokenIds) {
          if (token !== expected[got.length]) throw new Error(`token ${got.length} is another one`);
          got.push(token);
        }
        this.counts.tokens += tokenIds.length;
        if (got.length >= abortAfter) generation.abort();
      }
      const { tokenIds, usage } = await generation;
      if (got.length !== expected.length || tokenIds.length !== expected.length) {
        throw new Error(`${got.length} tokens came, ${expected.length} were expected`);
      }
      if (usage.promptTokens !== usage.cachedTokens + usage.computedTokens) {
        throw new Error('cached and computed tokens do not add up');
      }
      this.counts.answered++;
    } catch (error) {
      if (error.name === 'AbortError' && abortAfter < Infinity) this.counts.aborted++;
      else if (error.code === 'ERR_QUEUE_FULL') this.counts.refused++;
      else throw error;
    }
  }

  #fault(error) {
    if (this.faults.length < 5) this.faults.push(error.stack);
  }
}
