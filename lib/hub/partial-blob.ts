import { randomUUID } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { open, readdir, rename, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** Without a byte for so long a download is taken for dead, wherever it ran. */
const abandonedMs = 10 * 60_000;

/** Where a process id means what it means here. */
const place = `${hostname()}-${pidNamespace()}`.replaceAll(/[^\w-]/g, '_');

/**
 * Takes a blob that is on its way:
 *
 *     <oid>.incomplete                       nobody writes it: the next download goes on with it
 *     <oid>.<place>.<pid>.<n>.incomplete     a download of that process writes it
 *
 * Taking is renaming, which only one can do, and what a living download writes is left to it: so downloads of one blob
 * in any number of processes never mix their bytes, and whoever comes second waits.
 *
 * @returns a path that holds the blob's first bytes, or none; `undefined` while another download brings this blob
 */
export async function takePartialBlob(blobPath: string): Promise<string | undefined> {
  const own = `${blobPath}.${place}.${process.pid}.${randomUUID().slice(0, 8)}.incomplete`;
  const found = await findPartials(blobPath);
  if (found.some(({ isBeingWritten }) => isBeingWritten)) return undefined;
  let isTaken = false;
  for (const { path } of found) isTaken ||= await tryRename(path, own);
  if (isTaken) await utimes(own, new Date(), new Date());
  else await (await open(own, 'wx')).close();
  const others = (await findPartials(blobPath)).filter(({ path }) => path !== own);
  if (!others.some(({ isBeingWritten }) => isBeingWritten)) return own;
  await leavePartialBlob(own, blobPath);
  return undefined;
}

/** Leaves what is there to the next download. */
export async function leavePartialBlob(path: string, blobPath: string): Promise<void> {
  await tryRename(path, `${blobPath}.incomplete`);
}

/** Gives a whole and checked blob its place, unless another download took it for abandoned meanwhile. */
export async function placeBlob(path: string, blobPath: string): Promise<void> {
  await tryRename(path, blobPath);
}

interface PartialBlob {
  readonly path: string;
  readonly isBeingWritten: boolean;
}

async function findPartials(blobPath: string): Promise<PartialBlob[]> {
  const folder = dirname(blobPath);
  const start = `${basename(blobPath)}.`;
  const names = (await readdir(folder)).filter(
    (name) => name.startsWith(start) && name.endsWith('.incomplete'),
  );
  return Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      return { path, isBeingWritten: await isBeingWritten(path, name.slice(start.length)) };
    }),
  );
}

/** @param writer what follows the blob's name */
async function isBeingWritten(path: string, writer: string): Promise<boolean> {
  const [, where, pid] = /^([\w-]+)\.(\d+)\.\w+\.incomplete$/.exec(writer) ?? [];
  if (pid === undefined || (where === place && !isAlive(Number(pid)))) return false;
  const status = await stat(path).catch(() => undefined);
  return status !== undefined && Date.now() - status.mtimeMs < abandonedMs;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Containers may share a host's name but not its process ids. */
function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/** @returns false when there is no such file any more */
async function tryRename(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
