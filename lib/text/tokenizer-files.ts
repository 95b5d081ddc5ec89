import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../errors.js';
import { readGgufTokenizer } from './gguf-tokenizer.js';

/** A chat template and the name it goes by; `default` when the checkpoint has only one. */
export interface NamedTemplate {
  readonly name: string;
  readonly source: string;
}

/** What a checkpoint's folder says about text; plain data, sent to the worker as it is. */
export interface TokenizerFiles {
  readonly folder: string;
  /** The text of tokenizer.json. */
  readonly tokenizerJson: string;
  /** Empty when the checkpoint has no chat template. */
  readonly templates: readonly NamedTemplate[];
  /** `bos_token`, `eos_token`, … as the template may name them. */
  readonly namedTokens: Readonly<Record<string, string>>;
}

const namedTokenKeys = ['bos_token', 'eos_token', 'unk_token', 'pad_token'] as const;

/**
 * Reads tokenizer.json, tokenizer_config.json and chat_template.jinja of a checkpoint's folder, or what a GGUF file says.
 *
 * Only tokenizer.json must exist. A chat_template.jinja goes before the `chat_template` of tokenizer_config.json,
 * which is text or a list of named ones.
 *
 * @throws {EngineError} `ERR_TOKENIZER_INVALID` when tokenizer.json is missing or one of the files is malformed
 */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  if (folder.endsWith('.gguf')) return readGgufTokenizer(folder);
  const [tokenizerJson, configJson, jinja] = await Promise.all([
    readOptional(join(folder, 'tokenizer.json')),
    readOptional(join(folder, 'tokenizer_config.json')),
    readOptional(join(folder, 'chat_template.jinja')),
  ]);
  if (tokenizerJson === undefined) {
    throw new EngineError('ERR_TOKENIZER_INVALID', `${folder} has no tokenizer.json`, {
      hint: 'Save the tokenizer in the Hugging Face fast format.',
    });
  }
  const config = parseConfig(configJson, folder);
  const templates =
    jinja === undefined
      ? configTemplates(config.chat_template, folder)
      : [{ name: 'default', source: jinja }];
  return { folder, tokenizerJson, templates, namedTokens: namedTokens(config) };
}

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new EngineError('ERR_TOKENIZER_INVALID', `cannot read ${path}: ${String(error)}`, {
      cause: error,
    });
  }
}

function parseConfig(json: string | undefined, folder: string): Record<string, unknown> {
  if (json === undefined) return {};
  try {
    const config: unknown = JSON.parse(json);
    if (typeof config === 'object' && config !== null) return config as Record<string, unknown>;
  } catch (error) {
    throw invalidConfig(folder, `is not JSON: ${String(error)}`, error);
  }
  throw invalidConfig(folder, 'is not a JSON object');
}

function configTemplates(value: unknown, folder: string): NamedTemplate[] {
  if (value === undefined || value === null) return [];
  if (typeof value === 'string') return [{ name: 'default', source: value }];
  if (!Array.isArray(value)) throw invalidConfig(folder, 'has a chat_template that is no text');
  return value.map((item: { name?: unknown; template?: unknown } | null) => {
    if (typeof item?.name !== 'string' || typeof item.template !== 'string') {
      throw invalidConfig(folder, 'has a chat_template without name or template');
    }
    return { name: item.name, source: item.template };
  });
}

/** A token stands in the file as text or as an object with `content`. */
function namedTokens(config: Record<string, unknown>): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const key of namedTokenKeys) {
    const value = config[key] as string | { content?: unknown } | null | undefined;
    const text = typeof value === 'object' ? value?.content : value;
    if (typeof text === 'string') tokens[key] = text;
  }
  return tokens;
}

function invalidConfig(folder: string, what: string, cause?: unknown): EngineError {
  return new EngineError('ERR_TOKENIZER_INVALID', `${folder}/tokenizer_config.json ${what}`, {
    cause,
  });
}
