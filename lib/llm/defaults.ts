/** Tokens of a KV block. */
export const defaultBlockSize = 16;

/** A GPU takes hundreds of rows in the time that it reads the weights. */
export const defaultsByBackend = {
  cpu: { maxSeqs: 16, maxTokensPerStep: 512, maxStepMs: 100 },
  cuda: { maxSeqs: 256, maxTokensPerStep: 8192, maxStepMs: 50 },
} as const;
