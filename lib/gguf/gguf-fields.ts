import { InvalidArgumentError } from '../errors.js';
import type { HeaderReader } from './header-reader.js';

/** A field's value; 64-bit numbers beyond 2^53 lose their last bits. Lists of lists are refused. */
export type GgufValue = number | boolean | string | ArrayLike<number> | readonly string[];

/** Strings of all lists together; the largest vocabularies with their merges have less. */
const maxStrings = 1 << 20;
const maxFields = 1 << 16;
const stringType = 8;
const listType = 9;

type NumberList =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

interface NumberType {
  readonly size: number;
  /** Holds a list of them. */
  readonly List: new (
    length: number,
  ) => NumberList;
  readonly read: (bytes: Buffer, at: number) => number;
}

/** Numbers by the type that the file gives. */
const numberTypes: Readonly<Record<number, NumberType>> = {
  0: { size: 1, List: Uint8Array, read: (bytes, at) => bytes.readUInt8(at) },
  1: { size: 1, List: Int8Array, read: (bytes, at) => bytes.readInt8(at) },
  2: { size: 2, List: Uint16Array, read: (bytes, at) => bytes.readUInt16LE(at) },
  3: { size: 2, List: Int16Array, read: (bytes, at) => bytes.readInt16LE(at) },
  4: { size: 4, List: Uint32Array, read: (bytes, at) => bytes.readUInt32LE(at) },
  5: { size: 4, List: Int32Array, read: (bytes, at) => bytes.readInt32LE(at) },
  6: { size: 4, List: Float32Array, read: (bytes, at) => bytes.readFloatLE(at) },
  7: { size: 1, List: Uint8Array, read: (bytes, at) => bytes.readUInt8(at) },
  10: { size: 8, List: Float64Array, read: (bytes, at) => Number(bytes.readBigUInt64LE(at)) },
  11: { size: 8, List: Float64Array, read: (bytes, at) => Number(bytes.readBigInt64LE(at)) },
  12: { size: 8, List: Float64Array, read: (bytes, at) => bytes.readDoubleLE(at) },
};
const boolType = 7;

/** The fields of a GGUF file, by name; a getter refuses one of another type, by its name. */
export class GgufFields {
  constructor(
    private readonly values: ReadonlyMap<string, GgufValue>,
    private readonly path: string,
  ) {}

  /** Reads all fields. @throws {EngineError} `ERR_GGUF_HEADER` */
  static read(reader: HeaderReader, numFields: number, path: string): GgufFields {
    if (numFields > maxFields) {
      throw reader.error(`claims ${numFields} fields; at most ${maxFields} may be`);
    }
    const budget = { numStrings: maxStrings };
    const values = new Map<string, GgufValue>();
    for (let i = 0; i < numFields; i++) {
      const name = reader.text('the name of a field');
      if (values.has(name)) throw reader.error(`has the field "${name}" twice`);
      values.set(name, readValue(reader, name, reader.u32(`the type of ${name}`), budget));
    }
    return new GgufFields(values, path);
  }

  findNumber(name: string): number | undefined {
    return this.#find(name, 'a number', (value) => typeof value === 'number') as number | undefined;
  }

  findFlag(name: string): boolean | undefined {
    return this.#find(name, 'true or false', (value) => typeof value === 'boolean') as
      | boolean
      | undefined;
  }

  findText(name: string): string | undefined {
    return this.#find(name, 'text', (value) => typeof value === 'string') as string | undefined;
  }

  findTexts(name: string): readonly string[] | undefined {
    const isTexts = (value: GgufValue) => Array.isArray(value);
    return this.#find(name, 'a list of texts', isTexts) as readonly string[] | undefined;
  }

  findNumbers(name: string): ArrayLike<number> | undefined {
    const isNumbers = (value: GgufValue) => ArrayBuffer.isView(value);
    return this.#find(name, 'a list of numbers', isNumbers) as ArrayLike<number> | undefined;
  }

  /** @throws {InvalidArgumentError} `ERR_CONFIG_INVALID` */
  refusal(name: string, limit: string): InvalidArgumentError {
    const value = this.values.get(name);
    const shown = typeof value === 'object' ? `a list of ${value.length}` : value;
    return new InvalidArgumentError(`${this.path}: ${name}`, shown, limit, 'ERR_CONFIG_INVALID');
  }

  #find(
    name: string,
    limit: string,
    isRight: (value: GgufValue) => boolean,
  ): GgufValue | undefined {
    const value = this.values.get(name);
    if (value === undefined || isRight(value)) return value;
    throw this.refusal(name, limit);
  }
}

function readValue(
  reader: HeaderReader,
  name: string,
  type: number,
  budget: { numStrings: number },
): GgufValue {
  if (type === stringType) return reader.text(name);
  if (type === listType) return readList(reader, name, budget);
  const number = numberTypes[type];
  if (!number) throw reader.error(`gives the field "${name}" the unknown type ${type}`);
  const value = number.read(reader.take(number.size, name), 0);
  return type === boolType ? value !== 0 : value;
}

function readList(reader: HeaderReader, name: string, budget: { numStrings: number }): GgufValue {
  const type = reader.u32(`the type of ${name}`);
  if (type === stringType) {
    const length = reader.count(`the length of ${name}`, 8, budget.numStrings);
    budget.numStrings -= length;
    return Array.from({ length }, () => reader.text(name));
  }
  const number = numberTypes[type];
  if (!number) throw reader.error(`has in the list "${name}" values of the unknown type ${type}`);
  const length = reader.count(`the length of ${name}`, number.size);
  const bytes = reader.take(length * number.size, name);
  const list = new number.List(length);
  for (let i = 0; i < length; i++) list[i] = number.read(bytes, i * number.size);
  return list;
}
