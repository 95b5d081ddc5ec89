import { EngineError } from '../errors.js';

export const singleFileName = 'model.safetensors';
export const indexFileName = 'model.safetensors.index.json';

/** Small files that a model may have; the first two it must. */
export const textFileNames = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'generation_config.json',
  'chat_template.jinja',
] as const;

/**
 * The shards that an index names.
 *
 * @throws {EngineError} `ERR_SAFETENSORS_INDEX` when it is malformed or names a file elsewhere
 */
export function shardNames(indexJson: string, where: string): string[] {
  let index: { weight_map?: unknown } | null;
  try {
    index = JSON.parse(indexJson);
  } catch (error) {
    throw indexError(where, `is no JSON: ${(error as Error).message}`);
  }
  const names = Object.values(index?.weight_map ?? {});
  const isPlain = (name: unknown): name is string =>
    typeof name === 'string' && /^[^./\\\p{Cc}][^/\\\p{Cc}]*\.safetensors$/u.test(name);
  if (names.length > 0 && names.every(isPlain)) return [...new Set(names)];
  const wrong = names.find((name) => !isPlain(name));
  const found = names.length === 0 ? 'an empty weight_map' : `the shard ${JSON.stringify(wrong)}`;
  throw indexError(where, `has ${found}; expected names of .safetensors files beside it`);
}

function indexError(where: string, found: string): EngineError {
  return new EngineError('ERR_SAFETENSORS_INDEX', `${where}/${indexFileName} ${found}`);
}
