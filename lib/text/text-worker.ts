import { Worker } from 'node:worker_threads';
import { EngineError, InvalidArgumentError } from '../errors.js';
import { workerProgram } from '../package-folder.js';
import type { ChatMessage } from './chat-messages.js';
import { fromPlainError, type TextCall, type TextRequest, type TextResponse } from './protocol.js';
import type { TemplateHazard } from './template-hazards.js';
import { type ChatRequest, TextCore, type TokenizedChat } from './text-core.js';
import { readTokenizerFiles, type TokenizerFiles } from './tokenizer-files.js';

/** Chats below both are rendered and tokenised in the calling thread: a message there and back would take longer. */
const maxInlineMessages = 16;
const maxInlineBytes = 16 * 1024;

/** Whose tokenizer and template a text worker has. */
export interface TextWorkerOptions {
  /** Of the checkpoint. */
  readonly folder: string;
  /** Memory the worker's JavaScript may take, in MiB; default: Node's own. */
  readonly maxHeapMb?: number;
}

interface PendingCall {
  resolve(result: TokenizedChat): void;
  reject(error: Error): void;
}

/**
 * Text in, tokens out, without holding up the event loop.
 *
 * Large chats are rendered and tokenised in a worker thread, small ones in the calling thread; tokens are
 * decoded in the calling thread too, on libuv's pool. The first large one starts the worker and waits for it to
 * parse a tokenizer of its own: until then nobody pays for a thread and a second vocabulary (16 MiB with 32k
 * tokens, see bench/log.md). A worker that crashes fails the calls it had and is started again by the next one. It
 * keeps the process alive only while it has calls.
 */
export class TextWorker {
  readonly #files: TokenizerFiles;
  readonly #core: TextCore;
  readonly #maxHeapMb: number | undefined;
  readonly #pending = new Map<number, PendingCall>();
  #worker: Worker | undefined;
  #numCalls = 0;
  #closing: Promise<void> | undefined;

  private constructor(files: TokenizerFiles, maxHeapMb: number | undefined) {
    this.#files = files;
    this.#maxHeapMb = maxHeapMb;
    this.#core = new TextCore(files);
  }

  /**
   * Reads a checkpoint's tokenizer and template; the worker starts with the first large chat or text.
   *
   * Takes the event loop while the tokenizer is parsed: half a second for a vocabulary of 128k.
   *
   * @throws {EngineError} `ERR_TOKENIZER_INVALID` when a file is missing or malformed, `ERR_TEMPLATE` when a chat
   *   template has a statement that is not supported
   */
  static async start({ folder, maxHeapMb }: TextWorkerOptions): Promise<TextWorker> {
    return new TextWorker(await readTokenizerFiles(folder), maxHeapMb);
  }

  /** Whether the checkpoint has a chat template. */
  get hasChatTemplate(): boolean {
    return this.#files.templates.length > 0;
  }

  /** How the model writes tool calls, as far as its templates or special tokens tell. */
  get toolFormat(): 'hermes' | 'llama' | undefined {
    const { templates, tokenizerJson } = this.#files;
    if (templates.some(({ source }) => source.includes('<tool_call>'))) return 'hermes';
    return tokenizerJson.includes('<|python_tag|>') ? 'llama' : undefined;
  }

  /**
   * Renders and tokenises a chat.
   *
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` naming the field of a message or tool
   * @throws {EngineError} `ERR_CHAT_TEMPLATE_MISSING`, `ERR_TEMPLATE`; `ERR_TEXT_WORKER` when the worker
   *   crashed; `ERR_CLOSED` after `close`
   */
  async tokenizeChat(request: ChatRequest): Promise<TokenizedChat> {
    this.#requireOpen();
    if (isSmall(request)) return this.#core.tokenizeChat(request);
    return this.#call({ method: 'chat', request });
  }

  /**
   * Encodes a text; the literals of special tokens in it are special tokens.
   *
   * @param addSpecialTokens also add those that the tokenizer puts around a text; default true
   * @throws {EngineError} `ERR_TEXT_WORKER`, `ERR_CLOSED`
   */
  async encode(text: string, addSpecialTokens = true): Promise<Int32Array> {
    this.#requireOpen();
    const isLarge = Buffer.byteLength(text) >= maxInlineBytes;
    if (!isLarge) return this.#core.encode(text, addSpecialTokens);
    return (await this.#call({ method: 'encode', text, addSpecialTokens })).tokens;
  }

  /** What in the chat template destroys prefix reuse. */
  findHazards(): TemplateHazard[] {
    return this.#core.findHazards();
  }

  /** Decodes several windows of ids at once, leaving out special tokens; see `StreamDecoder`. */
  async decodeBatch(ids: number[][]): Promise<string[]> {
    this.#requireOpen();
    return ids.length === 0 ? [] : this.#core.decodeBatch(ids);
  }

  /** The text that a chat renders to, in the calling thread. */
  render(request: ChatRequest): string {
    this.#requireOpen();
    return this.#core.render(request);
  }

  /** Ends the worker; calls that it still has are rejected with `ERR_CLOSED`. A second call changes nothing. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#rejectAll(new EngineError('ERR_CLOSED', 'the text worker was closed'));
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #requireOpen(): void {
    if (this.#closing) throw new EngineError('ERR_CLOSED', 'the text worker is closed');
  }

  #call(call: TextCall): Promise<TokenizedChat> {
    this.#worker ??= this.#spawn();
    const worker = this.#worker;
    const request: TextRequest = { id: this.#numCalls++, call };
    try {
      worker.postMessage(request);
    } catch (error) {
      const { message } = error as Error;
      throw new InvalidArgumentError('messages', message, 'plain data, which can be cloned');
    }
    worker.ref();
    return new Promise((resolve, reject) => {
      this.#pending.set(request.id, { resolve, reject });
    });
  }

  #spawn(): Worker {
    const worker = new Worker(workerProgram('text/worker.js'), {
      name: 'paged-attention text',
      workerData: this.#files,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: this.#maxHeapMb },
    });
    const fail = (reason: unknown) => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      const message = `the text worker ended: ${reason instanceof Error ? reason.message : reason}`;
      this.#rejectAll(new EngineError('ERR_TEXT_WORKER', message, { cause: reason }));
    };
    worker.on('message', (response: TextResponse) => this.#settle(worker, response));
    worker.on('error', fail);
    worker.on('exit', (code) => fail(`exit code ${code}`));
    return worker;
  }

  #settle(worker: Worker, response: TextResponse): void {
    const call = this.#pending.get(response.id);
    this.#pending.delete(response.id);
    if (this.#pending.size === 0) worker.unref();
    if ('error' in response) call?.reject(fromPlainError(response.error));
    else call?.resolve(response.result);
  }

  #rejectAll(error: EngineError): void {
    const calls = [...this.#pending.values()];
    this.#pending.clear();
    for (const call of calls) call.reject(error);
  }
}

/** Whether a chat is below both limits. */
function isSmall({ messages, tools = [] }: ChatRequest): boolean {
  if (!Array.isArray(messages) || !Array.isArray(tools)) return true; // refused at once
  if (messages.length >= maxInlineMessages) return false;
  let bytes = 0;
  for (const [i, part] of [...messages, ...tools].entries()) {
    const content = (part as Partial<ChatMessage> | null)?.content;
    if (typeof content === 'string' && content.length >= maxInlineBytes) return false;
    const isMessage = i < messages.length;
    bytes += jsonBytes(part, isMessage ? `messages[${i}]` : `tools[${i - messages.length}]`);
    if (bytes >= maxInlineBytes) return false;
  }
  return true;
}

function jsonBytes(part: unknown, field: string): number {
  try {
    return Buffer.byteLength(JSON.stringify(part) ?? '');
  } catch {
    throw new InvalidArgumentError(field, part, 'data that JSON can hold');
  }
}
