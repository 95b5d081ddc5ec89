import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { EngineError } from '../errors.js';
import { GgufFields } from './gguf-fields.js';
import { HeaderReader, type ReadableFile } from './header-reader.js';

/** How a tensor's elements lie in the file: elements and bytes of one block, which a row has whole ones of. */
const tensorTypes = {
  F32: { code: 0, blockElements: 1, blockBytes: 4 },
  F16: { code: 1, blockElements: 1, blockBytes: 2 },
  BF16: { code: 30, blockElements: 1, blockBytes: 2 },
  Q8_0: { code: 8, blockElements: 32, blockBytes: 34 },
  Q4_0: { code: 2, blockElements: 32, blockBytes: 18 },
} as const;

/** A tensor type that weights load from. */
export type GgufTensorType = keyof typeof tensorTypes;

/** One tensor of a GGUF file. */
export interface GgufTensor {
  readonly name: string;
  readonly type: GgufTensorType;
  /** As elsewhere, outermost first; the file has them the other way round. */
  readonly shape: readonly number[];
  /** From the start of the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** All that a GGUF file says before its data. */
export interface GgufHeader {
  readonly fields: GgufFields;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

const maxTensors = 1 << 16;
const maxDims = 4;
const minTensorBytes = 8 + 4 + 4 + 8;
const minFieldBytes = 8 + 4 + 1;
const defaultAlignment = 32;

/**
 * Reads and checks the header of a GGUF file, version 2 or 3:
 *
 *     'GGUF' | version | tensors | fields | field … | name, dims, type, offset of each tensor … | data
 *
 * Nothing in it is believed: counts and lengths must fit into the file, and each tensor's bytes must lie in it, be shape ×
 * type long, begin at a multiple of the alignment and share none with another's.
 *
 * @throws {EngineError} `ERR_GGUF_HEADER`, `ERR_GGUF_RANGE`; `ERR_TENSOR_DTYPE` for a type that weights do not load from
 * @see https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
export function readGgufHeader(file: ReadableFile, path: string): GgufHeader {
  const reader = new HeaderReader(file, path);
  const magic = reader.take(4, 'its first four bytes').toString('latin1');
  if (magic !== 'GGUF') throw reader.error(`begins with ${JSON.stringify(magic)}, not with GGUF`);
  const version = reader.u32('its version');
  if (version !== 2 && version !== 3) {
    throw reader.error(`has version ${version}; known are 2 and 3, little-endian`);
  }
  const numTensors = reader.count('the number of tensors', minTensorBytes, maxTensors);
  const numFields = reader.count('the number of fields', minFieldBytes);
  const fields = GgufFields.read(reader, numFields, path);
  const infos = Array.from({ length: numTensors }, () => readTensorInfo(reader));
  const alignment = fields.findNumber('general.alignment') ?? defaultAlignment;
  if (!Number.isInteger(alignment) || alignment < 1 || alignment > 1 << 20) {
    throw fields.refusal('general.alignment', 'an integer from 1 to 1048576');
  }
  const dataStart = Math.ceil(reader.offset / alignment) * alignment;
  const tensors = infos.map(({ offset, ...info }) => {
    if (offset % alignment !== 0) throw rangeError(path, info.name, `lies at ${offset}`);
    return { ...info, byteOffset: dataStart + offset };
  });
  checkRanges(tensors, file.byteLength, path);
  return { fields, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) };
}

/** Reads the header of a file on disk. @throws {EngineError} also `ERR_FILE_UNREADABLE` */
export function openGgufHeader(path: string): GgufHeader {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (cause) {
    throw new EngineError('ERR_FILE_UNREADABLE', `${path}: ${(cause as Error).message}`, { cause });
  }
  try {
    const { size: byteLength } = fstatSync(descriptor);
    const read = (byteOffset: number, length: number) => {
      const bytes = new Uint8Array(length);
      readSync(descriptor, bytes, 0, length, byteOffset);
      return bytes;
    };
    return readGgufHeader({ byteLength, read }, path);
  } finally {
    closeSync(descriptor);
  }
}

type TensorInfo = Omit<GgufTensor, 'byteOffset'> & { readonly offset: number };

function readTensorInfo(reader: HeaderReader): TensorInfo {
  const name = reader.text('the name of a tensor');
  const numDims = reader.u32(`the dims of "${name}"`);
  if (numDims < 1 || numDims > maxDims) {
    throw reader.error(`gives tensor "${name}" ${numDims} dims; 1 to ${maxDims} may be`);
  }
  const dims = Array.from({ length: numDims }, () => readExtent(reader, name));
  const code = reader.u32(`the type of "${name}"`);
  const offset = readExtent(reader, name);
  const found = Object.entries(tensorTypes).find(([, type]) => type.code === code);
  if (!found) {
    const known = Object.keys(tensorTypes).join(', ');
    const message = `tensor "${name}" has GGUF's type ${code}; weights load from ${known}`;
    throw new EngineError('ERR_TENSOR_DTYPE', message);
  }
  const [type, { blockElements, blockBytes }] = found;
  const numElements = dims.reduce((product, extent) => product * extent, 1);
  if (dims[0] % blockElements !== 0 || !Number.isSafeInteger(numElements)) {
    throw reader.error(`gives tensor "${name}" of ${type} rows of ${dims[0]} elements`);
  }
  const byteLength = (numElements / blockElements) * blockBytes;
  return { name, type: type as GgufTensorType, shape: dims.reverse(), byteLength, offset };
}

function readExtent(reader: HeaderReader, name: string): number {
  const value = reader.take(8, `the description of "${name}"`).readBigUInt64LE();
  if (value <= Number.MAX_SAFE_INTEGER) return Number(value);
  throw reader.error(`says ${value} in the description of "${name}"`);
}

function checkRanges(tensors: readonly GgufTensor[], fileBytes: number, path: string): void {
  const names = new Set<string>();
  let [coveredTo, previous] = [0, ''];
  const sorted = [...tensors].sort((a, b) => a.byteOffset - b.byteOffset);
  for (const { name, byteOffset, byteLength } of sorted) {
    if (names.has(name)) throw new EngineError('ERR_GGUF_HEADER', `${path} has "${name}" twice`);
    names.add(name);
    if (byteOffset + byteLength > fileBytes) {
      const range = `[${byteOffset}, ${byteOffset + byteLength})`;
      throw rangeError(path, name, `lies at ${range}; the file has ${fileBytes} bytes`);
    }
    if (byteOffset < coveredTo && byteLength > 0) {
      throw rangeError(path, name, `shares bytes with "${previous}"`);
    }
    coveredTo = Math.max(coveredTo, byteOffset + byteLength);
    previous = name;
  }
}

function rangeError(path: string, name: string, found: string): EngineError {
  return new EngineError('ERR_GGUF_RANGE', `${path}: tensor "${name}" ${found}`);
}
