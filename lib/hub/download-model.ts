import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../errors.js';
import { downloadBlob } from './blob-download.js';
import { CachedRepo, sizeOf } from './cache-layout.js';
import { HubClient, type HubFile } from './hub-client.js';
import { type HubEnvironment, readHubEnvironment } from './hub-environment.js';
import { type HubSource, isCommit } from './hub-source.js';
import { indexFileName, shardNames, singleFileName, textFileNames } from './needed-files.js';

/** How far a download is. */
export interface DownloadProgress {
  /** Files go from the hub into the cache. */
  readonly stage: 'download';
  /** The file that is on its way. */
  readonly file: string;
  /** Bytes of all needed files that are there, those found in the cache included. */
  readonly loadedBytes: number;
  readonly totalBytes: number;
}

export interface DownloadOptions {
  /** Told after every mebibyte and at the end of each file; what it throws ends the download. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Ends the download; what is there stays and is continued by the next call. */
  readonly signal?: AbortSignal;
}

/** Bytes between two reports. */
const reportBytes = 2 ** 20;

/**
 * Brings a model of the hub into the shared cache and gives its folder.
 *
 * Only what `load` reads is downloaded: config, tokenizer, template, and safetensors. A commit that is there
 * whole is not asked about; of a branch or tag the hub is asked where it stands, and when the hub does not
 * answer, the last download serves.
 *
 * @returns the snapshot's folder
 * @throws {EngineError} `ERR_HUB_UNREACHABLE`, `ERR_HUB_OFFLINE`, `ERR_HUB_ACCESS`, `ERR_HUB_NOT_FOUND`,
 *   `ERR_HUB_REVISION_NOT_FOUND`, `ERR_HUB_CORRUPT`, `ERR_HUB_FAILED`, `ERR_HUB_CACHE`, `ERR_CHECKPOINT_NOT_FOUND`;
 *   `ERR_INVALID_ARGUMENT` when `HF_ENDPOINT` is no URL
 */
export async function downloadModel(
  source: HubSource,
  options: DownloadOptions = {},
): Promise<string> {
  const environment = await readHubEnvironment();
  const repo = new CachedRepo(environment.cacheFolder, source);
  const cached = await findWhole(repo, source);
  if (cached !== undefined && (environment.isOffline || isCommit(source.revision))) return cached;
  if (environment.isOffline) throw offline(source, environment);
  const client = new HubClient(environment, source, options.signal);
  let commit: string;
  try {
    commit = await client.resolveCommit();
  } catch (error) {
    const isUnreachable = error instanceof EngineError && error.code === 'ERR_HUB_UNREACHABLE';
    if (isUnreachable && cached !== undefined) return cached;
    throw error;
  }
  try {
    await new SnapshotDownload(client, repo, commit, options).run(source);
    await repo.writeRef(source.revision, commit);
  } catch (error) {
    throw isFileError(error) ? notWritten(environment, error) : error;
  }
  return repo.snapshotFolder(commit);
}

/** The snapshot of a revision in the cache, when no file that `load` needs is missing. */
async function findWhole(repo: CachedRepo, { revision }: HubSource): Promise<string | undefined> {
  const commit = await repo.findCommit(revision);
  if (commit === undefined) return undefined;
  const folder = repo.snapshotFolder(commit);
  const has = async (name: string) => (await sizeOf(join(folder, name))) !== undefined;
  if (!(await has('config.json')) || !(await has('tokenizer.json'))) return undefined;
  if (await has(singleFileName)) return folder;
  const index = await readFile(join(folder, indexFileName), 'utf8').catch(() => undefined);
  if (index === undefined) return undefined;
  const shards = await Promise.all(shardNames(index, folder).map(has));
  return shards.every(Boolean) ? folder : undefined;
}

/** Brings the files of one commit into the cache, one after the other. */
class SnapshotDownload {
  #files: ReadonlyMap<string, HubFile> = new Map();
  #doneBytes = 0;
  #totalBytes = 0;
  #reportedBytes = 0;

  constructor(
    private readonly client: HubClient,
    private readonly repo: CachedRepo,
    private readonly commit: string,
    private readonly options: DownloadOptions,
  ) {}

  async run(source: HubSource): Promise<void> {
    this.#files = await this.client.listFiles(this.commit);
    const weights = await this.#weightFiles(source);
    const texts = textFileNames.flatMap((name) => this.#files.get(name) ?? []);
    const needed = [...texts, ...weights];
    this.#totalBytes = needed.reduce((sum, { size }) => sum + size, 0);
    for (const file of needed) {
      await this.#bring(file, (numBytes) => this.#report(file, numBytes));
      this.#doneBytes += file.size;
    }
  }

  /** Reads the index before anything else is asked for: it says which shards there are. */
  async #weightFiles({ repo }: HubSource): Promise<HubFile[]> {
    const single = this.#files.get(singleFileName);
    if (single) return [single];
    const index = this.#files.get(indexFileName);
    if (!index) throw this.#lacks(repo, `neither ${singleFileName} nor ${indexFileName}`);
    await this.#bring(index, () => {});
    const json = await readFile(this.repo.blobPath(index), 'utf8');
    const shards = shardNames(json, repo).map((name) => {
      const file = this.#files.get(name);
      if (file) return file;
      throw this.#lacks(repo, `no ${name}, which its index names`);
    });
    return [index, ...shards];
  }

  #lacks(repo: string, what: string): EngineError {
    const others = [...this.#files.keys()].filter((name) => /\.(gguf|bin)$/.test(name));
    const message = `${repo} has ${what}`;
    const hint = `Use a model with safetensors; this one has ${others.join(', ') || 'no weights'}.`;
    return new EngineError('ERR_CHECKPOINT_NOT_FOUND', message, { hint });
  }

  async #bring(file: HubFile, onBytes: (numBytes: number) => void): Promise<void> {
    const { client, repo, commit, options } = this;
    options.signal?.throwIfAborted();
    if (await repo.hasBlob(file)) onBytes(file.size);
    else await downloadBlob({ client, repo, commit, file, signal: options.signal, onBytes });
    await repo.link(file, commit);
  }

  #report({ path, size }: HubFile, numBytes: number): void {
    const loadedBytes = this.#doneBytes + numBytes;
    const isDue = Math.abs(loadedBytes - this.#reportedBytes) >= reportBytes || numBytes === size;
    if (!isDue) return;
    this.#reportedBytes = loadedBytes;
    const totalBytes = this.#totalBytes;
    this.options.onProgress?.({ stage: 'download', file: path, loadedBytes, totalBytes });
  }
}

function offline({ repo, revision }: HubSource, { cacheFolder }: HubEnvironment): EngineError {
  return new EngineError(
    'ERR_HUB_OFFLINE',
    `${repo} at ${revision} is not whole in ${cacheFolder}, and HF_HUB_OFFLINE is set`,
    { hint: 'Unset HF_HUB_OFFLINE once, or point HF_HOME to a cache that has the model.' },
  );
}

/** Such as a full disk, or a folder that may not be written. */
function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return typeof error === 'object' && error !== null && 'syscall' in error;
}

function notWritten({ cacheFolder }: HubEnvironment, cause: NodeJS.ErrnoException): EngineError {
  return new EngineError('ERR_HUB_CACHE', `cannot write to ${cacheFolder}: ${cause.message}`, {
    cause,
    hint: 'Make room or permit writing there, or point HF_HOME to another folder, and call again.',
  });
}
