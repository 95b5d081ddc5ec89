import { EngineError } from '../errors.js';
import { patternRule } from './pattern.js';
import { formatPatterns, schemaRules } from './schema-rules.js';

type Schema = Record<string, unknown>;

/** Say nothing about what is valid. */
const annotations = [
  ...['$schema', '$id', '$comment', '$anchor', 'title', 'description', 'default', 'examples'],
  ...['deprecated', 'readOnly', 'writeOnly', '$defs', 'definitions', 'format', 'propertyNames'],
];
const types = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'];
/** Keywords that count, by the type that they are for. */
const keywords: Readonly<Record<string, readonly string[]>> = {
  null: [],
  boolean: [],
  number: [],
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  string: ['minLength', 'maxLength', 'pattern'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  object: ['properties', 'required', 'additionalProperties'],
};
/** Those that take the place of a type; one of them stands alone. */
const wholes = ['$ref', 'anyOf', 'oneOf', 'allOf', 'enum', 'const'];
/** Integers without a bound end here, at 15 digits: every one of them is exact in a double. */
const maxInteger = 999_999_999_999_999;

/**
 * The grammar of a JSON schema (draft 2020-12), in XGrammar's EBNF.
 *
 * @param json the schema's text
 * @throws {EngineError} as `normalizeSchema`
 */
export function grammarOfSchema(json: string): string {
  return schemaRules(normalizeSchema(json));
}

/**
 * Checks a JSON schema and brings it into a form that has one way to say each thing.
 *
 * A keyword that would not be enforced is refused, so that every output that ends is valid. An object with `properties`
 * has those and no others: what it leaves open stays out.
 *
 * @throws {EngineError} `ERR_SCHEMA_INVALID` for what is no schema, `ERR_SCHEMA_UNSUPPORTED` for a keyword that is not
 *   enforced; both name the place
 */
export function normalizeSchema(json: string): Schema {
  const root = JSON.parse(json) as unknown;
  return new Normalizer(root).schemaAt(root, '#');
}

class Normalizer {
  readonly #root: unknown;

  constructor(root: unknown) {
    this.#root = root;
  }

  schemaAt(value: unknown, path: string): Schema {
    if (value === true) return {};
    if (value === false) throw invalid(path, 'is false, which nothing satisfies');
    if (!isObject(value)) throw invalid(path, `is ${JSON.stringify(value)}; expected an object`);
    const known = [...annotations, 'type', ...wholes, ...Object.values(keywords).flat()];
    for (const key of Object.keys(value)) {
      if (!known.includes(key)) throw unsupported(path, key);
    }
    const defs = this.#defsAt(value, path);
    const whole = wholes.filter((key) => key in value);
    if (whole.length > 0) return { ...this.#wholeAt(value, path, whole), ...defs };
    return { ...this.#typedAt(value, path), ...defs };
  }

  #defsAt(schema: Schema, path: string): Schema {
    const entries = ['$defs', 'definitions'].flatMap((key) =>
      schema[key] === undefined ? [] : [[key, this.#eachAt(schema[key], `${path}/${key}`)]],
    );
    return Object.fromEntries(entries);
  }

  #eachAt(value: unknown, path: string): Schema {
    if (!isObject(value)) throw invalid(path, 'is no object of schemas');
    const entries = Object.entries(value);
    return Object.fromEntries(entries.map(([key, s]) => [key, this.schemaAt(s, `${path}/${key}`)]));
  }

  /** `$ref`, a choice, or values: what stands beside it would not be enforced. */
  #wholeAt(schema: Schema, path: string, [key, ...more]: string[]): Schema {
    const beside = [
      ...more,
      ...Object.values(keywords)
        .flat()
        .filter((name) => name in schema),
    ];
    if (beside.length > 0) throw unsupported(path, beside[0], `beside ${key}`);
    const value = schema[key];
    if (key === 'const') return this.#valuesAt([value], schema, path);
    if (key === 'enum') return this.#valuesAt(value, schema, path);
    if (schema.type !== undefined) throw unsupported(path, 'type', `beside ${key}`);
    if (key === '$ref') return { $ref: this.#refAt(value, path) };
    if (!Array.isArray(value) || value.length === 0)
      throw invalid(`${path}/${key}`, 'is no list of schemas');
    const parts = value.map((part, i) => this.schemaAt(part, `${path}/${key}/${i}`));
    if (key !== 'allOf') return { anyOf: parts };
    if (parts.length === 1) return parts[0];
    throw unsupported(path, 'allOf', 'with more than one part');
  }

  #valuesAt(values: unknown, { type }: Schema, path: string): Schema {
    const allowed = type === undefined ? types : this.#typesOf(type, path);
    const isAllowed = (value: unknown) => allowed.some((name) => hasType(value, name));
    const fitting = Array.isArray(values) ? values.filter(isAllowed) : [];
    if (fitting.length === 0) throw invalid(path, 'has no value that its type allows');
    return { enum: fitting };
  }

  #refAt(ref: unknown, path: string): string {
    if (typeof ref !== 'string' || !/^#($|\/)/.test(ref))
      throw unsupported(path, '$ref', 'to another document');
    let at = this.#root;
    for (const part of ref.split('/').slice(1)) {
      const key = decodeURIComponent(part).replace(/~1/g, '/').replace(/~0/g, '~');
      at = isObject(at) && Object.hasOwn(at, key) ? at[key] : undefined;
    }
    if (!isObject(at)) throw invalid(path, `refers to ${ref}, which is not there`);
    if (!/^#(\/(\$defs|definitions)\/[^/]+)?$/.test(ref))
      throw unsupported(path, '$ref', `to ${ref}`);
    return ref;
  }

  #typesOf(type: unknown, path: string): string[] {
    const names = Array.isArray(type) ? type : [type];
    const wrong = names.find((name) => !types.includes(name));
    if (wrong === undefined && names.length > 0) return names;
    throw invalid(path, `has type ${JSON.stringify(wrong)}; expected one of ${types.join(', ')}`);
  }

  /** One schema for each type that is named, or that the keywords are for. */
  #typedAt(schema: Schema, path: string): Schema {
    const used = types.filter((type) => keywords[type].some((key) => key in schema));
    const named = schema.type === undefined ? used : this.#typesOf(schema.type, path);
    const stray = used.find(
      (type) => !named.includes(type) && !(type === 'integer' && named.includes('number')),
    );
    if (stray !== undefined) {
      const key = keywords[stray].find((name) => name in schema) as string;
      throw unsupported(path, key, `where the type is ${JSON.stringify(schema.type)}`);
    }
    if (named.length === 0) return {};
    const parts = named.map((type) => this.#ofType(type, schema, path));
    return parts.length === 1 ? parts[0] : { anyOf: parts };
  }

  #ofType(type: string, schema: Schema, path: string): Schema {
    if (type === 'number') {
      const bound = keywords.integer.find((key) => key in schema);
      if (bound !== undefined) throw unsupported(path, bound, 'of a number that is no integer');
    }
    if (type === 'integer') return integerAt(schema, path);
    if (type === 'string') return stringAt(schema, path);
    if (type === 'array') return this.#arrayAt(schema, path);
    if (type === 'object') return this.#objectAt(schema, path);
    return { type };
  }

  #arrayAt({ items, prefixItems, minItems, maxItems }: Schema, path: string): Schema {
    const result: Schema = { type: 'array' };
    if (minItems !== undefined) result.minItems = countAt(minItems, `${path}/minItems`);
    if (maxItems !== undefined) result.maxItems = countAt(maxItems, `${path}/maxItems`);
    if (prefixItems === undefined) {
      result.items = items === undefined ? {} : this.schemaAt(items, `${path}/items`);
      return result;
    }
    if (!Array.isArray(prefixItems)) throw invalid(`${path}/prefixItems`, 'is no list of schemas');
    result.prefixItems = prefixItems.map((item, i) =>
      this.schemaAt(item, `${path}/prefixItems/${i}`),
    );
    result.items =
      items === undefined || items === false ? false : this.schemaAt(items, `${path}/items`);
    if (Number(minItems ?? 0) > prefixItems.length && result.items === false) {
      throw unsupported(path, 'minItems', 'above the number of prefixItems, without items');
    }
    if (Number(maxItems ?? Infinity) < prefixItems.length)
      throw unsupported(path, 'maxItems', 'below the number of prefixItems');
    return result;
  }

  #objectAt(schema: Schema, path: string): Schema {
    const { properties, required = [], additionalProperties, propertyNames } = schema;
    if (propertyNames !== undefined && JSON.stringify(propertyNames) !== '{"type":"string"}') {
      throw unsupported(path, 'propertyNames');
    }
    const named = properties === undefined ? {} : this.#eachAt(properties, `${path}/properties`);
    if (!Array.isArray(required)) throw invalid(`${path}/required`, 'is no list of names');
    const missing = required.find((name) => !Object.hasOwn(named, name as string));
    if (missing !== undefined) {
      throw unsupported(path, 'required', `of ${JSON.stringify(missing)}, which properties lacks`);
    }
    if (properties !== undefined && Object.keys(named).length > 0) {
      return { type: 'object', properties: named, required, additionalProperties: false };
    }
    const isClosed =
      additionalProperties === false ||
      (properties !== undefined && additionalProperties === undefined);
    if (isClosed) return { type: 'object', properties: {}, additionalProperties: false };
    const rest = this.schemaAt(additionalProperties ?? true, `${path}/additionalProperties`);
    return { type: 'object', additionalProperties: rest };
  }
}

/** Both bounds, inclusive. */
function integerAt(schema: Schema, path: string): Schema {
  const bound = (key: string) => {
    const value = schema[key];
    if (value === undefined || typeof value === 'number') return value;
    throw invalid(`${path}/${key}`, 'is no number');
  };
  const [least, most] = [bound('minimum'), bound('maximum')];
  const [above, below] = [bound('exclusiveMinimum'), bound('exclusiveMaximum')];
  const minimum = Math.max(
    Math.ceil(least ?? -maxInteger),
    Math.floor(above ?? -maxInteger - 1) + 1,
  );
  const maximum = Math.min(Math.floor(most ?? maxInteger), Math.ceil(below ?? maxInteger + 1) - 1);
  if (minimum <= maximum)
    return {
      type: 'integer',
      minimum: Math.max(minimum, -maxInteger),
      maximum: Math.min(maximum, maxInteger),
    };
  throw invalid(path, `has no integer in [${minimum}, ${maximum}]`);
}

function stringAt({ minLength, maxLength, pattern, format }: Schema, path: string): Schema {
  if (pattern !== undefined) {
    if (minLength !== undefined) throw unsupported(path, 'minLength', 'beside pattern');
    if (maxLength !== undefined) throw unsupported(path, 'maxLength', 'beside pattern');
    const read = patternRule(pattern);
    if ('reason' in read) throw unsupported(path, 'pattern', read.reason);
    return { type: 'string', pattern };
  }
  if (minLength === undefined && maxLength === undefined) {
    const isKnown = Object.hasOwn(formatPatterns, String(format));
    return isKnown ? { type: 'string', format } : { type: 'string' };
  }
  const result: Schema = { type: 'string' };
  if (minLength !== undefined) result.minLength = countAt(minLength, `${path}/minLength`);
  if (maxLength !== undefined) result.maxLength = countAt(maxLength, `${path}/maxLength`);
  if (Number(minLength ?? 0) <= Number(maxLength ?? Infinity)) return result;
  throw invalid(path, 'has minLength above maxLength');
}

function countAt(value: unknown, path: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw invalid(path, `is ${JSON.stringify(value)}; expected an integer >= 0`);
}

function hasType(value: unknown, type: string): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return isObject(value);
  if (type === 'integer') return Number.isInteger(value);
  // The others have the names that typeof gives.
  return typeof value === type;
}

function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(path: string, what: string): EngineError {
  return new EngineError('ERR_SCHEMA_INVALID', `the schema at ${path} ${what}`);
}

function unsupported(path: string, keyword: string, where = ''): EngineError {
  const what = where === '' ? keyword : `${keyword} ${where}`;
  return new EngineError(
    'ERR_SCHEMA_UNSUPPORTED',
    `the schema at ${path} uses ${what}, which no grammar here enforces`,
    {
      hint: 'Leave it out, and check the answer for it.',
    },
  );
}
