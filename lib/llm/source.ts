import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EngineError, InvalidArgumentError } from '../errors.js';

/** The model that comes with the package; two folders up from lib/llm/ as from dist/llm/. */
const recallFolder = fileURLToPath(new URL('../../models/recall/', import.meta.url));

/**
 * Finds the folder of a model.
 *
 * Nothing or `'recall'` is the model that comes with the package; what starts with `./`, `../`, `/` or `file:` is
 * a folder; `owner/name` is a model of the Hugging Face hub, which cannot be downloaded yet.
 *
 * @throws {EngineError} `ERR_MODEL_NOT_FOUND` naming each reading that was tried
 */
export async function findModelFolder(source: string | URL | undefined): Promise<string> {
  if (source === undefined || source === 'recall') return recallFolder;
  const text = source instanceof URL ? source.href : source;
  if (typeof text !== 'string' || text === '') {
    throw new InvalidArgumentError('source', text, "'recall', a folder or owner/name");
  }
  if (/^(\.{0,2}\/|\.{1,2}$|file:)/.test(text)) return requireFolder(text);
  const path = resolve(text);
  const isFolder = await isDirectory(path);
  if (/^[\w.-]+\/[\w.-]+$/.test(text)) throw hubError(text, path, isFolder);
  throw notFound(
    text,
    [`as a model of this package: only 'recall' is`, folderReading(path, isFolder)],
    isFolder
      ? `Write './${text}' for the folder.`
      : "Give 'recall', a folder that starts with ./ or /, or owner/name.",
  );
}

async function requireFolder(text: string): Promise<string> {
  const path = text.startsWith('file:') ? filePath(text) : resolve(text);
  if (await isDirectory(path)) return path;
  throw notFound(
    text,
    [`as the folder ${path}: there is none`],
    'Give a folder that holds config.json and the weights.',
  );
}

function filePath(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw notFound(url, [`as a file URL: ${error instanceof Error ? error.message : error}`]);
  }
}

/** Two readings would fit a name that is also a folder, so neither is taken. */
function hubError(text: string, path: string, isFolder: boolean): EngineError {
  const hub = 'as a model of the Hugging Face hub: downloads are not built yet';
  const hint = isFolder
    ? `Write './${text}' for the folder.`
    : 'Download it, then give its folder as a path that starts with ./ or /.';
  return notFound(text, [hub, folderReading(path, isFolder)], hint);
}

function folderReading(path: string, isFolder: boolean): string {
  return isFolder
    ? `as the folder ${path}: it exists, but a folder must start with ./, ../ or /`
    : `as the folder ${path}: there is none`;
}

function notFound(text: string, readings: readonly string[], hint?: string): EngineError {
  return new EngineError(
    'ERR_MODEL_NOT_FOUND',
    `no model ${JSON.stringify(text)}; tried ${readings.join('; ')}`,
    { hint },
  );
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
