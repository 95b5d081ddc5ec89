import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { EngineError } from '../errors.js';
import type { CachedRepo } from './cache-layout.js';
import { sizeOf } from './cache-layout.js';
import type { HubClient, HubFile } from './hub-client.js';
import { leavePartialBlob, placeBlob, takePartialBlob } from './partial-blob.js';

/** Broken connections in a row without a byte between them, before giving up. */
const maxFruitlessTries = 3;
const firstDelayMs = 100;
/** Between two looks at what another download brings; half of it by chance, so that two do not keep in step. */
const lookMs = 300;

/** Where a blob comes from and goes to. */
export interface BlobDownload {
  readonly client: HubClient;
  readonly repo: CachedRepo;
  readonly commit: string;
  readonly file: HubFile;
  readonly signal: AbortSignal | undefined;
  /** Told how many of the file's bytes are there. */
  readonly onBytes: (numBytes: number) => void;
}

/**
 * Brings one file into the cache: continues what an earlier call left, goes on after a broken connection, and puts
 * the blob in its place only when size and hash are what the hub's listing says. While another download brings the
 * same blob, in this process or another, it waits for that one.
 *
 * @throws {EngineError} `ERR_HUB_CORRUPT`, after which the next call starts the file anew; `ERR_HUB_UNREACHABLE`
 */
export async function downloadBlob(download: BlobDownload): Promise<void> {
  const { repo, file, signal, onBytes } = download;
  const path = repo.blobPath(file);
  await mkdir(dirname(path), { recursive: true });
  while (!(await repo.hasBlob(file))) {
    const partial = await takePartialBlob(path);
    if (partial === undefined) await pause(lookMs * (0.5 + Math.random() / 2), signal);
    else if (await repo.hasBlob(file)) await rm(partial, { force: true });
    else await bring(download, partial, path);
  }
  onBytes(file.size);
}

async function bring(download: BlobDownload, partial: string, path: string): Promise<void> {
  try {
    await fetchAll(download, partial);
  } catch (error) {
    const isCorrupt = error instanceof EngineError && error.code === 'ERR_HUB_CORRUPT';
    if (isCorrupt) await rm(partial, { force: true });
    else await leavePartialBlob(partial, path);
    throw error;
  }
  await placeBlob(partial, path);
}

async function fetchAll(download: BlobDownload, path: string): Promise<void> {
  let numTries = 0;
  for (;;) {
    const before = (await sizeOf(path)) ?? 0;
    try {
      return await fetchRest(download, path, before);
    } catch (error) {
      download.signal?.throwIfAborted();
      if (!(error instanceof EngineError) || error.code !== 'ERR_HUB_UNREACHABLE') throw error;
      numTries = ((await sizeOf(path)) ?? 0) > before ? 0 : numTries + 1;
      if (numTries === maxFruitlessTries) throw error;
      await pause(firstDelayMs * 2 ** numTries, download.signal);
    }
  }
}

/** @throws the signal's reason when it is aborted meanwhile */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => signal?.throwIfAborted());
}

/**
 * Appends what is missing to `path`, whose first `start` bytes are there, and checks the whole.
 *
 * What is there is hashed before the hub is asked, so that no connection waits for it.
 */
async function fetchRest(download: BlobDownload, path: string, start: number): Promise<void> {
  const { client, commit, file, onBytes } = download;
  if (start > file.size) throw corrupt(file, `has ${start} bytes in the cache`);
  let hash = contentHash(file);
  if (start > 0) await hashFile(hash, path);
  const handle = await open(path, 'r+');
  try {
    const isWhole = start === file.size && start > 0;
    const response = isWhole ? undefined : await client.openFile(commit, file.path, start);
    const isContinued = isWhole || response?.status === 206;
    if (response?.status === 206) checkRange(file, response, start);
    if (!isContinued && start > 0) {
      await handle.truncate(0);
      hash = contentHash(file);
    }
    onBytes(isContinued ? start : 0);
    if (response) await append(download, handle, hash, response, isContinued ? start : 0);
  } finally {
    await handle.close();
  }
  const size = await sizeOf(path);
  if (size !== undefined && size !== file.size) throw corrupt(file, `has ${size} bytes on disk`);
  const found = hash.digest('hex');
  if (found !== file.oid) throw corrupt(file, `has the hash ${found}`);
}

async function append(
  { client, file, onBytes }: BlobDownload,
  handle: FileHandle,
  hash: Hash,
  response: Response,
  start: number,
): Promise<void> {
  let numBytes = start;
  const body = response.body?.[Symbol.asyncIterator]();
  for (;;) {
    const next = await body?.next().catch((error: unknown) => {
      throw client.unreachable(error);
    });
    if (!next || next.done) break;
    const position = numBytes;
    numBytes += next.value.byteLength;
    if (numBytes > file.size) throw corrupt(file, `has more than ${file.size} bytes`);
    hash.update(next.value);
    await writeAt(handle, next.value, position);
    onBytes(numBytes);
  }
  if (numBytes < file.size) {
    throw client.unreachable(
      new Error(`${file.path} ended after ${numBytes} of ${file.size} bytes`),
    );
  }
}

/** A full disk may take a part of the bytes before it refuses the rest. */
async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const length = bytes.byteLength - done;
    done += (await handle.write(bytes, done, length, position + done)).bytesWritten;
  }
}

/** Large files are named by their SHA-256, small ones as git names them. */
function contentHash({ oid, size }: HubFile): Hash {
  if (oid.length === 64) return createHash('sha256');
  return createHash('sha1').update(`blob ${size}\0`);
}

async function hashFile(hash: Hash, path: string): Promise<void> {
  for await (const piece of createReadStream(path)) hash.update(piece);
}

function checkRange(file: HubFile, response: Response, start: number): void {
  const range = response.headers.get('content-range') ?? 'nothing';
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range) ?? [];
  if (Number(first) === start && (total === '*' || Number(total) === file.size)) return;
  throw corrupt(file, `was asked for from byte ${start} and came as ${range}`);
}

function corrupt({ path, size, oid }: HubFile, found: string): EngineError {
  return new EngineError(
    'ERR_HUB_CORRUPT',
    `${path} ${found}; the hub lists ${size} bytes, ${oid}`,
    {
      hint: 'Call again: the file is downloaded anew.',
    },
  );
}
