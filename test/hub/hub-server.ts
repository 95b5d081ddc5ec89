import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the server does to requests for a file's bytes. */
export interface Faults {
  /** Breaks the connection after so many bytes of a response, as often as there are numbers. */
  cutAfter?: number[];
  /** Serves these bytes instead of the file's. */
  replaceWith?: Buffer;
  /** Answers every request with this status. */
  status?: number;
  /** Says so in `x-error-code`, as the hub does. */
  errorCode?: string;
  /** Ignores `Range`. */
  ignoresRange?: boolean;
  /** Sends so many bytes of the next file that has more, and then nothing, without ending the response. */
  stallAfter?: number;
  /** Gives this commit for every revision. */
  commit?: string;
  /** Says that the next page of the listing is at another host. */
  listsElsewhere?: boolean;
  /** Answers every request with this text. */
  text?: string;
}

/** A request as the server saw it. */
export interface SeenRequest {
  readonly host: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** Files above this are kept apart, as the hub does with LFS: named by SHA-256, served by another host. */
const largeBytes = 1024;
const filesPerPage = 3;

/** A server that speaks the hub's protocol for one repository with one commit. */
export class HubServer {
  readonly commit = createHash('sha1').update('commit').digest('hex');
  readonly seen: SeenRequest[] = [];
  faults: Faults = {};
  readonly #server: Server;

  constructor(
    readonly repo: string,
    readonly files: Map<string, Buffer>,
  ) {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Requests for the bytes of a file, the redirect left out. */
  downloads(name?: string): SeenRequest[] {
    const isDownload = ({ path }: SeenRequest) =>
      path.startsWith('/cdn/') || (path.includes('/resolve/') && !this.#isLarge(path));
    return this.seen.filter((one) => isDownload(one) && (!name || one.path.endsWith(`/${name}`)));
  }

  #isLarge = (path: string): boolean =>
    (this.files.get(path.split('/').at(-1)!)?.length ?? 0) > largeBytes;

  #answer(request: IncomingMessage, response: ServerResponse): ServerResponse {
    const { pathname: path, searchParams } = new URL(request.url!, 'http://host');
    const { range, authorization, host = '' } = request.headers;
    this.seen.push({ host, path, range, authorization });
    const { status, errorCode, text } = this.faults;
    if (status) return refuse(response, status, errorCode);
    if (text) return response.end(text);
    const api = `/api/models/${this.repo}`;
    const revision = path.startsWith(`${api}/revision/`) && path.split('/').at(-1)!;
    if (revision) return this.#sendInfo(response, revision);
    if (path === `${api}/tree/${this.commit}`) {
      return this.#sendTree(request, response, Number(searchParams.get('cursor') ?? 0));
    }
    const name = path.split('/').at(-1)!;
    const content = this.files.get(name);
    const isFile = path === `/${this.repo}/resolve/${this.commit}/${name}`;
    if (!content || !(isFile || path.startsWith('/cdn/'))) return refuse(response, 404);
    if (isFile && this.#isLarge(path)) {
      const port = (this.#server.address() as AddressInfo).port;
      return response.writeHead(302, { location: `http://localhost:${port}/cdn/${name}` }).end();
    }
    return this.#sendFile(request, response, this.faults.replaceWith ?? content);
  }

  #sendInfo(response: ServerResponse, revision: string): ServerResponse {
    const known = ['main', 'v1', 'refs%2Fpr%2F1', this.commit];
    if (!known.includes(revision)) return refuse(response, 404, 'RevisionNotFound');
    const sha = this.faults.commit ?? this.commit;
    return sendJson(response, { _id: '1', id: this.repo, sha, gated: false });
  }

  #sendTree(request: IncomingMessage, response: ServerResponse, start: number): ServerResponse {
    const entries = [...this.files].map(([path, content]) => entryOf(path, content));
    const folder = { type: 'directory', oid: '0'.repeat(40), size: 0, path: 'onnx' };
    const next = start + filesPerPage;
    const { host = '' } = request.headers;
    const nextHost = this.faults.listsElsewhere ? host.replace(/^[^:]*/, 'localhost') : host;
    const url = `http://${nextHost}/api/models/${this.repo}/tree/${this.commit}?cursor=${next}`;
    const link = next < entries.length ? { link: `<${url}>; rel="next"` } : {};
    return sendJson(response, [...(start ? [] : [folder]), ...entries.slice(start, next)], link);
  }

  #sendFile(request: IncomingMessage, response: ServerResponse, content: Buffer): ServerResponse {
    const [, first] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
    const start = first && !this.faults.ignoresRange ? Number(first) : 0;
    const body = content.subarray(start);
    const range = `bytes ${start}-${content.length - 1}/${content.length}`;
    const headers = { 'content-length': body.length, etag: `"${oidOf(content)}"` };
    if (start > 0) response.writeHead(206, { ...headers, 'content-range': range });
    else response.writeHead(200, headers);
    const { stallAfter } = this.faults;
    if (stallAfter !== undefined && content.length > stallAfter) {
      this.faults.stallAfter = undefined;
      response.write(body.subarray(0, stallAfter));
      return response;
    }
    const cut = this.faults.cutAfter?.shift();
    if (cut === undefined || cut >= body.length) return response.end(body);
    response.write(body.subarray(0, cut), () => response.socket?.end());
    return response;
  }
}

/** The hash that the hub names a file by. */
export function oidOf(content: Buffer): string {
  if (content.length > largeBytes) return createHash('sha256').update(content).digest('hex');
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}

function entryOf(path: string, content: Buffer): object {
  const { length: size } = content;
  const oid = oidOf(content);
  if (size <= largeBytes) return { type: 'file', oid, size, path };
  const lfs = { oid, size, pointerSize: 134 };
  return { type: 'file', oid: 'a'.repeat(40), size, path, lfs, xetHash: 'b'.repeat(64) };
}

function sendJson(response: ServerResponse, value: unknown, headers: object = {}): ServerResponse {
  response.writeHead(200, { 'content-type': 'application/json', ...headers });
  return response.end(JSON.stringify(value));
}

function refuse(response: ServerResponse, status: number, errorCode?: string): ServerResponse {
  const headers = errorCode ? { 'x-error-code': errorCode } : {};
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  return response.end(JSON.stringify({ error: 'refused' }));
}
