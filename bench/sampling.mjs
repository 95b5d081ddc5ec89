// How the benchmarks that drive the engine core, below the public defaults, choose tokens.

const neutral = {
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  seed: 1n,
};

/** The most likely token each time. */
export const greedySampling = { ...neutral, temperature: 0 };

/** A draw from the whole vocabulary as the model weighs it. */
export const fullSampling = { ...neutral, temperature: 1 };
