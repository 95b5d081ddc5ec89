import { InvalidArgumentError } from '../errors.js';
import type { BlockMapRange } from '../kv/index.js';
import type {
  ChatOptions,
  ForkOptions,
  GenerateOptions,
  InspectOptions,
  LoadOptions,
  PinPromptOptions,
  PrewarmOptions,
} from './options.js';

const loadKeys: Readonly<Record<keyof LoadOptions, true>> = {
  backend: true,
  index: true,
  worker: true,
  deterministic: true,
  threads: true,
  isa: true,
  dtype: true,
  kvDtype: true,
  contextLen: true,
  blockSize: true,
  kvCacheBytes: true,
  maxSeqs: true,
  maxTokensPerStep: true,
  maxChunkTokens: true,
  maxStepMs: true,
  maxPrefillStepMs: true,
  maxQueue: true,
  maxQueuePerSalt: true,
  maxSeqsPerSalt: true,
  priorityAgeingMs: true,
  maxTraceEvents: true,
  maxPinnedFraction: true,
  salt: true,
  maxIdleMs: true,
  revision: true,
  onProgress: true,
  signal: true,
};

const inspectKeys: Readonly<Record<keyof InspectOptions, true>> = {
  backend: true,
  index: true,
  dtype: true,
  kvDtype: true,
  contextLen: true,
  blockSize: true,
  revision: true,
  onProgress: true,
  signal: true,
};

const generateKeys: Readonly<Record<keyof GenerateOptions, true>> = {
  maxTokens: true,
  minTokens: true,
  temperature: true,
  topK: true,
  topP: true,
  minP: true,
  repetitionPenalty: true,
  presencePenalty: true,
  frequencyPenalty: true,
  seed: true,
  logitBias: true,
  logprobs: true,
  stop: true,
  stopTokenIds: true,
  ignoreEos: true,
  responseFormat: true,
  toolFormat: true,
  n: true,
  signal: true,
  prefix: true,
  keepPrefix: true,
  salt: true,
  cache: true,
  retainMs: true,
  maxIdleMs: true,
  tag: true,
  priority: true,
  timeoutMs: true,
  digests: true,
};

const chatKeys: Readonly<Record<keyof ChatOptions, true>> = {
  ...generateKeys,
  tools: true,
  canonicalTools: true,
  addGenerationPrompt: true,
  continueFinalMessage: true,
  templateVariables: true,
};

const forkKeys: Readonly<Record<keyof ForkOptions, true>> = {
  temperature: true,
  topK: true,
  topP: true,
  minP: true,
  repetitionPenalty: true,
  presencePenalty: true,
  frequencyPenalty: true,
  seed: true,
  logitBias: true,
  stop: true,
  signal: true,
  choice: true,
  maxTokens: true,
};

const pinKeys: Readonly<Record<keyof PinPromptOptions, true>> = {
  salt: true,
  tag: true,
  ttlMs: true,
};

const blockMapKeys: Readonly<Record<keyof BlockMapRange, true>> = { start: true, maxBlocks: true };

const prewarmKeys: Readonly<Record<keyof PrewarmOptions, true>> = {
  ...pinKeys,
  pin: true,
  maxIdleMs: true,
  priority: true,
  signal: true,
};

/** The names that each kind of options may hold. */
export const optionKeys = {
  load: loadKeys,
  inspect: inspectKeys,
  generate: generateKeys,
  chat: chatKeys,
  fork: forkKeys,
  pin: pinKeys,
  prewarm: prewarmKeys,
  explain: { salt: true },
  blockMap: blockMapKeys,
} as const;

/**
 * Refuses options that are no object or hold a name that nobody reads: a misspelt option is not a default.
 *
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` naming it
 */
export function checkOptionKeys(options: object, known: Readonly<Record<string, true>>): void {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidArgumentError('options', options, 'an object');
  }
  for (const key of Object.keys(options)) {
    if (Object.hasOwn(known, key)) continue;
    const names = Object.keys(known).join(', ');
    throw new InvalidArgumentError(`options.${key}`, 'not an option', `one of ${names}`);
  }
}
