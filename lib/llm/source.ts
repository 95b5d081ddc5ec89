import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EngineError, InvalidArgumentError } from '../errors.js';
import {
  type DownloadOptions,
  downloadModel,
  type HubSource,
  parseHubSource,
} from '../hub/index.js';
import { packageFolder } from '../package-folder.js';

/** The model that comes with the package. */
const recallFolder = () => join(packageFolder(), 'models/recall/');

/** What is a path, whatever else it may look like. */
const localPattern = /^(\.{0,2}\/|\.{1,2}$|file:)/;

/** What finding a model may be told. */
export interface SourceOptions extends DownloadOptions {
  /** Branch, tag or commit of a model of the hub; default `main`. */
  readonly revision?: string;
}

/**
 * Finds the folder of a model, and downloads it where it is one of the hub.
 *
 * Nothing or `'recall'` is the model that comes with the package; what starts with `./`, `../`, `/` or `file:` is
 * a folder or a `.gguf` file; `owner/name` and `owner/name@revision` are models of the Hugging Face hub.
 *
 * @throws {EngineError} `ERR_MODEL_NOT_FOUND` naming each reading that was tried; a code of `downloadModel`
 */
export async function findModelFolder(
  source: string | URL | undefined,
  options: SourceOptions = {},
): Promise<string> {
  const text = source instanceof URL ? source.href : source;
  const hubSource = typeof text === 'string' ? readHubSource(text, options) : undefined;
  if (hubSource === undefined && options.revision !== undefined) {
    throw new InvalidArgumentError(
      'revision',
      options.revision,
      'none: only the hub has revisions',
    );
  }
  if (hubSource === undefined) return findLocalFolder(text);
  const path = resolve(text as string);
  if (await isDirectory(path)) throw ambiguous(text as string, path);
  return downloadModel(hubSource, options);
}

function readHubSource(text: string, { revision }: SourceOptions): HubSource | undefined {
  return localPattern.test(text) ? undefined : parseHubSource(text, revision);
}

async function findLocalFolder(text: string | undefined): Promise<string> {
  if (text === undefined || text === 'recall') return recallFolder();
  if (typeof text !== 'string' || text === '') {
    throw new InvalidArgumentError('source', text, "'recall', a folder or owner/name");
  }
  if (localPattern.test(text)) return requireFolder(text);
  const path = resolve(text);
  const isFolder = await isDirectory(path);
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
  if (path.endsWith('.gguf') ? await isFile(path) : await isDirectory(path)) return path;
  throw notFound(
    text,
    [`as the ${path.endsWith('.gguf') ? 'file' : 'folder'} ${path}: there is none`],
    'Give a folder that holds config.json and the weights, or a .gguf file.',
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
function ambiguous(text: string, path: string): EngineError {
  const hub =
    'as a model of the Hugging Face hub: not asked, because there is a folder of this name';
  return notFound(text, [hub, folderReading(path, true)], `Write './${text}' for the folder.`);
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

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (status) => status.isFile(),
    () => false,
  );
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
