import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SamplingParams } from '../engine/index.js';
import { EngineError, InvalidArgumentError } from '../errors.js';
import type { GenerateOptions } from './options.js';

/** Sampling of requests that say nothing about it. */
export type SamplingDefaults = Omit<SamplingParams, 'seed' | 'logitBias' | 'logprobs'>;

const greedy: SamplingDefaults = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
};

/** Names in generation_config.json. */
const configKeys = {
  temperature: 'temperature',
  topK: 'top_k',
  topP: 'top_p',
  minP: 'min_p',
  repetitionPenalty: 'repetition_penalty',
} as const;

/**
 * Reads a checkpoint's own sampling from generation_config.json.
 *
 * @returns greedy when there is no such file or it does not say `do_sample`; the penalty counts either way
 * @throws {EngineError} `ERR_CONFIG_INVALID` when the file is no JSON object
 */
export async function readSamplingDefaults(folder: string): Promise<SamplingDefaults> {
  const path = join(folder, 'generation_config.json');
  let json: string;
  try {
    json = await readFile(path, 'utf8');
  } catch {
    return greedy;
  }
  const config = parseObject(json, path);
  const found = { ...greedy, ...(config.do_sample === true ? { temperature: 1 } : {}) };
  for (const key of Object.keys(configKeys) as (keyof typeof configKeys)[]) {
    const value = config[configKeys[key]];
    const counts = config.do_sample === true || key === 'repetitionPenalty';
    if (counts && typeof value === 'number' && Number.isFinite(value)) found[key] = value;
  }
  return found;
}

function parseObject(json: string, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Refused below.
  }
  throw new EngineError('ERR_CONFIG_INVALID', `${path} is not a JSON object`);
}

/**
 * The sampling that a request asks for. Ranges are checked by the engine.
 *
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for a seed or bias that has no meaning
 */
export function samplingOf(options: GenerateOptions, defaults: SamplingDefaults): SamplingParams {
  const { logprobs } = options;
  return {
    temperature: options.temperature ?? defaults.temperature,
    topK: options.topK ?? defaults.topK,
    topP: options.topP ?? defaults.topP,
    minP: options.minP ?? defaults.minP,
    repetitionPenalty: options.repetitionPenalty ?? defaults.repetitionPenalty,
    presencePenalty: options.presencePenalty ?? defaults.presencePenalty,
    frequencyPenalty: options.frequencyPenalty ?? defaults.frequencyPenalty,
    seed: seedOf(options.seed),
    ...(options.logitBias === undefined ? {} : { logitBias: biasOf(options.logitBias) }),
    ...(logprobs === undefined ? {} : { logprobs }),
  };
}

function seedOf(seed: number | bigint | undefined): bigint {
  if (seed === undefined) return randomBytes(8).readBigUInt64LE() >> 1n;
  const isInteger = typeof seed === 'bigint' || Number.isSafeInteger(seed);
  if (isInteger && seed >= 0 && seed < 1n << 64n) return BigInt(seed);
  throw new InvalidArgumentError('seed', seed, 'an integer in [0, 2^64)');
}

function biasOf(bias: Readonly<Record<number, number>>): SamplingParams['logitBias'] {
  if (typeof bias !== 'object' || bias === null) {
    throw new InvalidArgumentError('logitBias', bias, 'an object from token id to number');
  }
  const entries = Object.entries(bias);
  for (const [id, value] of entries) {
    if (typeof value === 'number' && !Number.isNaN(value)) continue;
    throw new InvalidArgumentError(`logitBias[${id}]`, value, 'a number');
  }
  return {
    ids: Int32Array.from(entries, ([id]) => tokenIdOf(id)),
    values: Float32Array.from(entries, ([, value]) => value),
  };
}

/** A key that is no token id must not become one by rounding. */
function tokenIdOf(key: string): number {
  if (/^\d{1,9}$/.test(key)) return Number(key);
  throw new InvalidArgumentError('logitBias', key, 'token ids as keys');
}
