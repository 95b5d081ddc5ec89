import type { ListFileEntry } from '@huggingface/hub';
import { EngineError, InvalidArgumentError } from '../errors.js';
import type { HubEnvironment } from './hub-environment.js';
import { type HubSource, isCommit } from './hub-source.js';

/** A file of a repository at one commit. */
export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** SHA-256 of a large file, git's SHA-1 of a small one; the name of its blob in the cache. */
  readonly oid: string;
}

/** Asks one hub about one repository; every refusal and failure is a typed error. */
export class HubClient {
  /** @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` when `HF_ENDPOINT` is no URL */
  constructor(
    private readonly environment: HubEnvironment,
    private readonly source: HubSource,
    private readonly signal: AbortSignal | undefined,
  ) {
    const { endpoint } = environment;
    if (URL.canParse(endpoint) && /^https?:/.test(endpoint)) return;
    throw new InvalidArgumentError('HF_ENDPOINT', endpoint, 'a URL such as https://huggingface.co');
  }

  /** The commit that the revision stands for now. @throws {EngineError} `ERR_HUB_…` */
  async resolveCommit(): Promise<string> {
    const { modelInfo } = await import('@huggingface/hub');
    const { repo, revision } = this.source;
    const { endpoint: hubUrl } = this.environment;
    const options = { name: repo, revision, hubUrl, fetch: this.fetch };
    const { sha } = await this.#understand(() =>
      modelInfo({ ...options, additionalFields: ['sha'] }),
    );
    const isOther = isCommit(revision) && sha !== revision;
    if (isCommit(sha) && !isOther) return sha;
    throw this.#failed(`gives the commit ${JSON.stringify(sha)} for ${JSON.stringify(revision)}`);
  }

  /** The files at a commit, those in folders left out. @throws {EngineError} `ERR_HUB_…` */
  async listFiles(commit: string): Promise<Map<string, HubFile>> {
    const { listFiles } = await import('@huggingface/hub');
    const { repo } = this.source;
    const options = { repo, revision: commit, hubUrl: this.environment.endpoint };
    const files = new Map<string, HubFile>();
    await this.#understand(async () => {
      for await (const entry of listFiles({ ...options, fetch: this.fetch })) {
        if (entry.type === 'file') files.set(entry.path, this.#fileOf(entry));
      }
    });
    return files;
  }

  /** Hash and size of an entry become a path in the cache and a limit. */
  #fileOf({ path, size, oid, lfs }: ListFileEntry): HubFile {
    const file = { path, size: lfs?.size ?? size, oid: lfs?.oid ?? oid ?? '' };
    if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(file.oid)) {
      throw this.#failed(`lists ${path} with the hash ${JSON.stringify(file.oid)}`);
    }
    if (Number.isSafeInteger(file.size) && file.size >= 0) return file;
    throw this.#failed(`lists ${path} with ${JSON.stringify(file.size)} bytes`);
  }

  /** What cannot be read is no hub's answer. */
  async #understand<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      this.signal?.throwIfAborted();
      if (error instanceof EngineError) throw error;
      throw this.#failed(`gives an answer that no hub gives (${(error as Error).message})`);
    }
  }

  /** The bytes of a file from `start` on; the server may give all of them instead (status 200). */
  openFile(commit: string, path: string, start: number): Promise<Response> {
    const url = `${this.environment.endpoint}/${this.source.repo}/resolve/${commit}/${encodeURIComponent(path)}`;
    const range = start > 0 ? { range: `bytes=${start}-` } : undefined;
    return this.fetch(url, { headers: { 'accept-encoding': 'identity', ...range } });
  }

  /**
   * `fetch` with the token, which only the hub's own origin sees: `fetch` takes it out of what it redirects elsewhere,
   * and a page of the listing may say that the next one lies elsewhere.
   */
  readonly fetch = async (
    url: Parameters<typeof fetch>[0],
    init: RequestInit = {},
  ): Promise<Response> => {
    const { token, endpoint } = this.environment;
    const headers = new Headers(init.headers);
    const target = url instanceof Request ? url.url : url;
    if (token && new URL(target).origin === new URL(endpoint).origin)
      headers.set('authorization', `Bearer ${token}`);
    let response: Response;
    try {
      response = await fetch(url, { ...init, headers, signal: this.signal });
    } catch (error) {
      this.signal?.throwIfAborted();
      throw this.unreachable(error);
    }
    if (response.ok) return response;
    await response.body?.cancel();
    throw this.#refused(response);
  };

  /** What a broken connection becomes. */
  unreachable(cause: unknown): EngineError {
    const { endpoint } = this.environment;
    const root = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
    const words = root instanceof Error ? root.message || (root as { code?: string }).code : root;
    return new EngineError('ERR_HUB_UNREACHABLE', `no answer from ${endpoint}: ${words}`, {
      cause,
      hint: 'Check network and HF_ENDPOINT and call again: what was downloaded is kept and continued.',
    });
  }

  #refused({ status, headers }: Response): EngineError {
    const { repo, revision } = this.source;
    const { endpoint, token } = this.environment;
    const kind = headers.get('x-error-code');
    if (kind === 'RevisionNotFound') {
      const message = `${repo} has no revision ${JSON.stringify(revision)}`;
      const hint = `See ${endpoint}/${repo}/commits/main for those it has.`;
      return new EngineError('ERR_HUB_REVISION_NOT_FOUND', message, { hint });
    }
    if (kind === 'RepoNotFound' || status === 404) {
      const hint = 'Check owner and name; a private model also needs HF_TOKEN.';
      return new EngineError('ERR_HUB_NOT_FOUND', `${endpoint} has no ${repo}`, { hint });
    }
    if (status === 401 || status === 403) {
      const who = token ? 'the token in use' : 'requests without a token';
      const hint = `Ask for access at ${endpoint}/${repo} and set HF_TOKEN to a token that has it.`;
      const message = `${endpoint} refuses ${who} for ${repo}: ${status}`;
      return new EngineError('ERR_HUB_ACCESS', message, { hint });
    }
    return this.#failed(`answers with status ${status}`);
  }

  #failed(what: string): EngineError {
    const { endpoint } = this.environment;
    return new EngineError('ERR_HUB_FAILED', `${endpoint} ${what} for ${this.source.repo}`, {
      hint: 'Call again later: what was downloaded is kept and continued.',
    });
  }
}
