import { EngineError } from '../errors.js';
import { findDuplicateKey } from './duplicate-key.js';

/** Bits per element of every dtype that the format knows. */
const dtypeBits = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** A dtype as the file format spells it. */
export type SafetensorsDType = keyof typeof dtypeBits;

/** Where one tensor lies in its file. */
export interface TensorRange {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  /** From the start of the file; a multiple of the element size. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** The part of a file that reading a header needs; `MappedFile` is one. */
export interface ReadableFile {
  readonly byteLength: number;
  /** @returns a copy of `length` bytes from `offset` */
  read(offset: number, length: number): Uint8Array;
}

/** The format's own limit on a header, in bytes. */
const maxHeaderBytes = 100_000_000;
const lengthBytes = 8;

/**
 * Reads and checks the header of a safetensors file: an 8-byte little-endian length, that many bytes
 * of JSON, then the tensors' bytes without a gap.
 *
 * Nothing in the header is believed: every range must lie in the file, be shape × dtype long, be
 * aligned to its elements, and together they must cover the data once. Holes are refused, as the
 * reference implementation does: bytes that no reader sees have no business in a checkpoint.
 *
 * @param file the whole file
 * @param path its name in messages
 * @returns tensors by name, in the order of their bytes
 * @throws {EngineError} `ERR_SAFETENSORS_HEADER`, `ERR_SAFETENSORS_RANGE`, `ERR_SAFETENSORS_OVERLAP`
 * @see https://github.com/huggingface/safetensors#format
 */
export function readSafetensorsHeader(file: ReadableFile, path: string): Map<string, TensorRange> {
  const headerBytes = readHeaderLength(file, path);
  const header = parseHeader(file.read(lengthBytes, headerBytes), path);
  const dataStart = lengthBytes + headerBytes;
  const tensors = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => readRange(name, value, dataStart, file.byteLength, path));
  tensors.sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  checkCoverage(tensors, dataStart, file.byteLength, path);
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

function readHeaderLength(file: ReadableFile, path: string): number {
  if (file.byteLength < lengthBytes) {
    throw headerError(path, `is ${file.byteLength} bytes long; its header's length takes 8`);
  }
  const prefix = file.read(0, lengthBytes);
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > maxHeaderBytes) {
    throw headerError(path, `claims a header of ${length} bytes; at most ${maxHeaderBytes} may be`);
  }
  const numAvailable = file.byteLength - lengthBytes;
  if (length > numAvailable) {
    throw headerError(path, `claims a header of ${length} bytes; ${numAvailable} follow`);
  }
  return Number(length);
}

function parseHeader(bytes: Uint8Array, path: string): Record<string, unknown> {
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (cause) {
    throw headerError(path, `has a header that is no JSON: ${(cause as Error).message}`);
  }
  if (!isObject(header) || !text.startsWith('{')) {
    throw headerError(path, 'has a header that is no JSON object');
  }
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined) throw headerError(path, `has the key "${duplicate}" twice`);

  const metadata = header.__metadata__ ?? {};
  if (!isObject(metadata) || Object.values(metadata).some((value) => typeof value !== 'string')) {
    throw headerError(path, 'has a __metadata__ that does not map strings to strings');
  }
  return header;
}

function readRange(
  name: string,
  value: unknown,
  dataStart: number,
  fileBytes: number,
  path: string,
): TensorRange {
  const { dtype, shape, data_offsets: offsets } = isObject(value) ? value : {};
  if (!isCounts(shape) || !isCounts(offsets) || offsets.length !== 2) {
    throw headerError(path, `describes tensor "${name}" without a shape and two data_offsets`);
  }
  if (typeof dtype !== 'string' || !Object.hasOwn(dtypeBits, dtype)) {
    const known = Object.keys(dtypeBits).join(', ');
    throw headerError(path, `gives tensor "${name}" the dtype ${dtype}; known are ${known}`);
  }

  const [start, end] = offsets;
  const byteOffset = dataStart + start;
  const byteLength = end - start;
  const bits = dtypeBits[dtype as SafetensorsDType];
  const needBits = shape.reduce((product, extent) => product * extent, bits);
  if (byteLength < 0 || dataStart + end > fileBytes) {
    const numDataBytes = fileBytes - dataStart;
    throw rangeError(path, name, `lies at [${start}, ${end}); the file has ${numDataBytes} bytes`);
  }
  if (byteLength * 8 !== needBits) {
    const expected = `[${shape.join(', ')}] of ${dtype} needs ${needBits / 8}`;
    throw rangeError(path, name, `has ${byteLength} bytes; ${expected}`);
  }
  if (byteOffset % Math.ceil(bits / 8) !== 0) {
    throw rangeError(path, name, `lies at byte ${byteOffset}, which is not aligned for ${dtype}`);
  }
  return { name, dtype: dtype as SafetensorsDType, shape, byteOffset, byteLength };
}

/** Holds that tensors, sorted by offset, cover `[dataStart, fileBytes)` exactly once. */
function checkCoverage(
  tensors: readonly TensorRange[],
  dataStart: number,
  fileBytes: number,
  path: string,
): void {
  let coveredTo = dataStart;
  let previous = 'the header';
  for (const { name, byteOffset, byteLength } of tensors) {
    if (byteOffset < coveredTo) {
      const shared = `shares ${coveredTo - byteOffset} bytes with "${previous}"`;
      throw new EngineError('ERR_SAFETENSORS_OVERLAP', `${path}: tensor "${name}" ${shared}`);
    }
    if (byteOffset > coveredTo) {
      const hole = `starts ${byteOffset - coveredTo} bytes after "${previous}" ends`;
      throw rangeError(path, name, `${hole}; no bytes may lie between`);
    }
    coveredTo += byteLength;
    previous = name;
  }
  if (coveredTo !== fileBytes) {
    const message = `${path}: ${fileBytes - coveredTo} bytes after the last tensor belong to none`;
    throw new EngineError('ERR_SAFETENSORS_RANGE', message);
  }
}

function headerError(path: string, found: string): EngineError {
  return new EngineError('ERR_SAFETENSORS_HEADER', `${path} ${found}`);
}

function rangeError(path: string, name: string, found: string): EngineError {
  return new EngineError('ERR_SAFETENSORS_RANGE', `${path}: tensor "${name}" ${found}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}
