import { EngineError, InvalidArgumentError } from '../errors.js';
import type { GrammarSpec } from '../grammar/index.js';

/** A JSON schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>> | boolean;

/**
 * A schema of a validation library that follows Standard Schema, such as zod's, valibot's or arktype's, and can give its
 * JSON schema (`~standard.jsonSchema`: zod from 4.2 on). `T` is what it makes of a valid answer.
 */
export interface StandardSchema<T> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    /** Reads a value. */
    readonly validate: (value: unknown) => StandardResult<T> | Promise<StandardResult<T>>;
    readonly types?: { readonly input: unknown; readonly output: T } | undefined;
    readonly jsonSchema?: {
      /** The JSON Schema of what it reads. */
      readonly input: (options: { target: 'draft-2020-12' }) => Record<string, unknown>;
    };
  };
}

/** What a Standard Schema says of a value: it read, or what is wrong with it. */
export type StandardResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

/** One thing that is wrong with a value, and where. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What the whole answer must be. */
export type ResponseFormat<T = unknown> =
  | { readonly type: 'text' }
  /** A JSON object, whatever is in it. */
  | { readonly type: 'json_object' }
  /** JSON that a schema allows. */
  | { readonly type: 'json_schema'; readonly schema: StandardSchema<T> | JsonSchema }
  /** OpenAI's shape of the same; `strict` and `name` say nothing here. */
  | {
      readonly type: 'json_schema';
      readonly json_schema: {
        readonly schema: StandardSchema<T> | JsonSchema;
        readonly name?: string;
        readonly strict?: boolean;
        readonly description?: string;
      };
    }
  /** Text that a regular expression matches as a whole. */
  | { readonly type: 'regex'; readonly pattern: string }
  /** Text of a grammar in XGrammar's EBNF, whose first rule is `root`. */
  | { readonly type: 'grammar'; readonly grammar: string };

/** What an answer was read as. */
export interface Parsed<T> {
  readonly parsed: T | undefined;
  readonly parseError: EngineError | undefined;
}

/**
 * The grammar that a response format asks for; `undefined` where it asks for none.
 *
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT`
 */
export function grammarOf(format: ResponseFormat | undefined): GrammarSpec | undefined {
  if (format === undefined) return undefined;
  if (!isObject(format)) {
    throw new InvalidArgumentError(
      'responseFormat',
      format,
      "an object such as { type: 'json_object' }",
    );
  }
  switch (format.type) {
    case 'text':
      return undefined;
    case 'json_object':
      return { kind: 'json', source: '' };
    case 'json_schema':
      return { kind: 'schema', source: schemaSource(jsonSchemaOf(schemaOf(format))) };
    case 'regex':
      return { kind: 'regex', source: checkText('responseFormat.pattern', format.pattern) };
    case 'grammar':
      return { kind: 'ebnf', source: checkText('responseFormat.grammar', format.grammar) };
    default: {
      const limit = "'text', 'json_object', 'json_schema', 'regex' or 'grammar'";
      throw new InvalidArgumentError(
        'responseFormat.type',
        (format as { type?: unknown }).type,
        limit,
      );
    }
  }
}

/**
 * Reads an answer as what the response format asked for.
 *
 * @param isWhole it ended by itself; one that was cut is not read
 */
export async function parseResponse(
  text: string,
  format: ResponseFormat | undefined,
  isWhole: boolean,
): Promise<Parsed<unknown>> {
  const isJson = format?.type === 'json_object' || format?.type === 'json_schema';
  if (!isJson || !isWhole) return { parsed: undefined, parseError: undefined };
  try {
    const value: unknown = JSON.parse(text);
    const schema = format.type === 'json_schema' ? schemaOf(format) : undefined;
    const parsed = isStandard(schema) ? await validate(schema, value) : value;
    return { parsed, parseError: undefined };
  } catch (cause) {
    const parseError =
      cause instanceof EngineError
        ? cause
        : new EngineError('ERR_RESPONSE_INVALID', `the answer cannot be read: ${String(cause)}`, {
            cause,
          });
    return { parsed: undefined, parseError };
  }
}

async function validate(schema: StandardSchema<unknown>, value: unknown): Promise<unknown> {
  const result = await schema['~standard'].validate(value);
  if (result.issues === undefined) return result.value;
  const [{ message, path = [] }] = result.issues;
  const place = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  const words = place === '' ? message : `${place}: ${message}`;
  throw new EngineError(
    'ERR_RESPONSE_INVALID',
    `the answer is not what the schema asks for: ${words}`,
  );
}

function schemaOf(
  format: ResponseFormat & { type: 'json_schema' },
): StandardSchema<unknown> | JsonSchema {
  const schema = 'json_schema' in format ? format.json_schema?.schema : format.schema;
  if (typeof schema === 'boolean' || isObject(schema)) return schema;
  throw new InvalidArgumentError(
    'responseFormat.schema',
    schema,
    'a JSON schema or a Standard Schema',
  );
}

function jsonSchemaOf(schema: StandardSchema<unknown> | JsonSchema): unknown {
  if (!isStandard(schema)) return schema;
  const { vendor, jsonSchema } = schema['~standard'];
  if (jsonSchema === undefined) {
    throw new EngineError(
      'ERR_SCHEMA_UNSUPPORTED',
      `this schema of ${vendor} gives no JSON schema`,
      {
        hint: 'Update the library, or pass the JSON schema itself; zod before 4.2 makes one by z.toJSONSchema(schema).',
      },
    );
  }
  try {
    return jsonSchema.input({ target: 'draft-2020-12' });
  } catch (cause) {
    const message = `${vendor} has no JSON schema for this schema: ${(cause as Error)?.message}`;
    throw new EngineError('ERR_SCHEMA_UNSUPPORTED', message, { cause });
  }
}

function schemaSource(schema: unknown): string {
  try {
    return JSON.stringify(schema);
  } catch {
    throw new InvalidArgumentError('responseFormat.schema', schema, 'data that JSON can hold');
  }
}

function isStandard(schema: unknown): schema is StandardSchema<unknown> {
  return isObject(schema) && isObject((schema as Record<string, unknown>)['~standard']);
}

/** Some libraries' schemas are functions. */
function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function checkText(field: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new InvalidArgumentError(field, value, 'text of at least one character');
}
