import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

import type { MappedFile } from '../device/index.js';
import { EngineError } from '../errors.js';
import type { GgufTensorType } from '../gguf/index.js';
import { findDuplicateKey } from './duplicate-key.js';
import { readSafetensorsHeader, type SafetensorsDType, type TensorRange } from './safetensors.js';

const singleFileName = 'model.safetensors';
const indexFileName = 'model.safetensors.index.json';

/** A tensor of an open checkpoint: its place, and the mapped file that the place is in. */
export interface CheckpointTensor extends Omit<TensorRange, 'dtype'> {
  readonly dtype: SafetensorsDType | GgufTensorType;
  readonly file: MappedFile;
  /** Rows of each head of so many have its two halves as neighbours, as in GGUF; undefined: in order. */
  readonly interleavedHeadDim?: number;
}

/** What maps files into memory; `Device` does. */
export interface FileMapper {
  /** Maps a whole file read-only. */
  mapFile(path: string): MappedFile;
}

/** The weights of a model folder, memory-mapped. Owns the mappings until `close()`. */
export class Checkpoint {
  private isClosed = false;

  constructor(
    readonly folder: string,
    readonly tensors: ReadonlyMap<string, CheckpointTensor>,
    private readonly files: readonly MappedFile[],
  ) {}

  /** @throws {EngineError} `ERR_TENSOR_MISSING` when no tensor has this name */
  getTensor(name: string): CheckpointTensor {
    const tensor = this.tensors.get(name);
    if (tensor) return tensor;
    const [first = 'none'] = this.tensors.keys();
    throw new EngineError(
      'ERR_TENSOR_MISSING',
      `${this.folder} has no tensor "${name}"; it has ${this.tensors.size}, such as "${first}"`,
    );
  }

  /** Unmaps all files; a second call does nothing. Weights loaded from here are copies and live on. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const file of this.files) file.close();
  }
}

/**
 * Maps the safetensors files of a model folder and checks all their headers.
 *
 * `model.safetensors` counts when it exists; otherwise `model.safetensors.index.json` says which
 * shard holds which tensor, and a tensor that it does not name is not part of the checkpoint. When
 * this rejects, no file stays mapped.
 *
 * @throws {EngineError} `ERR_CHECKPOINT_NOT_FOUND`, `ERR_SAFETENSORS_INDEX`, `ERR_TENSOR_MISSING`
 *   when a shard lacks what the index says it holds, or a code of {@link readSafetensorsHeader}
 */
export async function openCheckpoint(mapper: FileMapper, folder: string): Promise<Checkpoint> {
  const shardOf = await findShards(folder);
  const files = new Map<string, MappedFile>();
  try {
    const tensors = new Map<string, CheckpointTensor>();
    for (const fileName of new Set(shardOf?.values() ?? [singleFileName])) {
      const path = join(folder, fileName);
      await requireFile(path);
      const file = mapper.mapFile(path);
      files.set(fileName, file);
      for (const [name, range] of readSafetensorsHeader(file, path)) {
        if (!shardOf || shardOf.get(name) === fileName) tensors.set(name, { ...range, file });
      }
    }
    requireIndexed(folder, shardOf, tensors);
    return new Checkpoint(folder, tensors, [...files.values()]);
  } catch (error) {
    for (const file of files.values()) file.close();
    throw error;
  }
}

/** @returns the shard of each tensor, or undefined when the folder has one file for all */
async function findShards(folder: string): Promise<Map<string, string> | undefined> {
  if (existsSync(join(folder, singleFileName))) return undefined;
  const indexPath = join(folder, indexFileName);
  if (existsSync(indexPath)) return readIndex(indexPath);

  throw new EngineError(
    'ERR_CHECKPOINT_NOT_FOUND',
    `${folder} has neither ${singleFileName} nor ${indexFileName}`,
    { hint: 'Give the path of a *.gguf file itself; *.bin has to be converted to safetensors.' },
  );
}

async function readIndex(path: string): Promise<Map<string, string>> {
  const text = await readFile(path, 'utf8');
  let index: unknown;
  try {
    index = JSON.parse(text);
  } catch (cause) {
    throw indexError(path, `is no JSON: ${(cause as Error).message}`);
  }
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined) throw indexError(path, `has the key "${duplicate}" twice`);

  const weightMap = (index as { weight_map?: unknown } | null)?.weight_map;
  if (typeof weightMap !== 'object' || weightMap === null || Array.isArray(weightMap)) {
    throw indexError(path, 'has no weight_map from tensor to file name');
  }
  const shardOf = new Map<string, string>();
  for (const [name, fileName] of Object.entries(weightMap)) {
    if (typeof fileName !== 'string' || !isPlainFileName(fileName)) {
      throw indexError(path, `puts tensor "${name}" into ${fileName}; expected a file beside it`);
    }
    shardOf.set(name, fileName);
  }
  if (shardOf.size === 0) throw indexError(path, 'has an empty weight_map');
  return shardOf;
}

/** A name that cannot leave the folder it is joined to. */
function isPlainFileName(name: string): boolean {
  return name.endsWith('.safetensors') && basename(name) === name && !name.includes('\\');
}

async function requireFile(path: string): Promise<void> {
  const status = await stat(path).catch(() => undefined);
  if (!status?.isFile()) {
    throw new EngineError('ERR_CHECKPOINT_NOT_FOUND', `${path} does not exist or is no file`);
  }
  if (status.size === 0) {
    throw new EngineError('ERR_SAFETENSORS_HEADER', `${path} is empty`);
  }
}

function requireIndexed(
  folder: string,
  shardOf: ReadonlyMap<string, string> | undefined,
  tensors: ReadonlyMap<string, CheckpointTensor>,
): void {
  for (const [name, fileName] of shardOf ?? []) {
    if (tensors.has(name)) continue;
    throw new EngineError(
      'ERR_TENSOR_MISSING',
      `${join(folder, fileName)} has no tensor "${name}", which ${indexFileName} puts there`,
    );
  }
}

function indexError(path: string, found: string): EngineError {
  return new EngineError('ERR_SAFETENSORS_INDEX', `${path} ${found}`);
}
