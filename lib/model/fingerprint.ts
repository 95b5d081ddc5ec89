import { createHash, type Hash } from 'node:crypto';

import type { FloatDType, WeightDType } from '../device/index.js';
import type { Checkpoint, CheckpointTensor } from './checkpoint.js';
import type { ModelConfig } from './config.js';
import { chooseRotation } from './rope.js';
import { plannedTensors, type WeightPlan } from './weight-plan.js';

/** Changes when the same model would write other keys and values than before. */
const formatVersion = 1;

const wholeTensorBytes = 64 * 1024;
const sampleBytes = 4096;
const numSamples = 16;

/** What, beside the weights, decides the values in a KV cache. */
export interface FingerprintInput {
  readonly checkpoint: Checkpoint;
  readonly plan: WeightPlan;
  readonly config: ModelConfig;
  /** Tokens; decides some rotary embeddings. */
  readonly contextLen: number;
  readonly weightsDtype: WeightDType;
  readonly kvDtype: FloatDType;
}

/**
 * Names everything that decides a model's keys, values and logits: equal fingerprints may share cached
 * blocks across processes, different ones never.
 *
 * Hashed are the config as the forward loop reads it, the rotary frequencies, the dtypes, and name,
 * shape, dtype and bytes of each tensor that is used; how tensors are spread over files is not. Of a
 * tensor over 64 KiB, 16 spans of 4 KiB are read, evenly spread from its first byte to its last: reading
 * gigabytes at every start is what that saves. So two checkpoints that differ in nothing but bytes
 * between the spans share a fingerprint.
 *
 * @returns 64 hexadecimal digits (SHA-256)
 */
export function fingerprintOf(input: FingerprintInput): string {
  const { checkpoint, plan, config, contextLen, weightsDtype, kvDtype } = input;
  const { eosTokenIds: _eos, bosTokenId: _bos, declaredDtype: _dtype, ...arithmetic } = config;
  const hash = createHash('sha256');
  hash.update(canonicalJson({ formatVersion, weightsDtype, kvDtype, ...arithmetic }));
  hash.update(chooseRotation(config.rope, contextLen).frequencies);
  const names = [...plannedTensors(plan)].map((tensor) => tensor.name);
  for (const name of names.sort()) hashTensor(hash, checkpoint.getTensor(name));
  return hash.digest('hex');
}

function hashTensor(hash: Hash, tensor: CheckpointTensor): void {
  const { name, dtype, shape, file, byteOffset, byteLength } = tensor;
  hash.update(canonicalJson({ name, dtype, shape }));
  if (byteLength <= wholeTensorBytes) {
    hash.update(file.read(byteOffset, byteLength));
    return;
  }
  const lastStart = byteLength - sampleBytes;
  for (let i = 0; i < numSamples; i++) {
    const start = Math.floor((lastStart * i) / (numSamples - 1));
    hash.update(file.read(byteOffset + start, sampleBytes));
  }
}

/** JSON with sorted keys, so that the order in which fields were set does not matter. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
