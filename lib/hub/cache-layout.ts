import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { HubFile } from './hub-client.js';
import { type HubSource, isCommit } from './hub-source.js';

/**
 * One repository in the cache that all Hugging Face tools share:
 *
 *     models--owner--name/
 *       blobs/<oid>                     what was downloaded, once each; `<oid>.….incomplete` is on its way
 *       refs/<revision>                 the commit that a branch or tag stood for
 *       snapshots/<commit>/<file>       links into blobs
 *
 * @see https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 */
export class CachedRepo {
  readonly folder: string;

  constructor(cacheFolder: string, { repo }: HubSource) {
    this.folder = join(cacheFolder, `models--${repo.replace('/', '--')}`);
  }

  snapshotFolder(commit: string): string {
    return join(this.folder, 'snapshots', commit);
  }

  blobPath({ oid }: HubFile): string {
    return join(this.folder, 'blobs', oid);
  }

  async hasBlob(file: HubFile): Promise<boolean> {
    return (await sizeOf(this.blobPath(file))) === file.size;
  }

  /** The commit that a revision stood for when it was last asked; a commit stands for itself. */
  async findCommit(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const text = await readFile(join(this.folder, 'refs', revision), 'utf8').catch(() => '');
    return isCommit(text.trim()) ? text.trim() : undefined;
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    if (revision === commit) return;
    const path = join(this.folder, 'refs', revision);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, commit);
  }

  /** Shows a blob under its name in a snapshot, at once and whole; a copy where links are not allowed. */
  async link(file: HubFile, commit: string): Promise<void> {
    const path = join(this.snapshotFolder(commit), file.path);
    if ((await sizeOf(path)) === file.size) return;
    await mkdir(dirname(path), { recursive: true });
    const blob = this.blobPath(file);
    const fresh = `${path}.${randomUUID()}`;
    await symlink(relative(dirname(path), blob), fresh).catch(() => copyFile(blob, fresh));
    await rename(fresh, path);
  }
}

/** Bytes of a file, links followed; undefined when there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (status) => status.size,
    () => undefined,
  );
}
