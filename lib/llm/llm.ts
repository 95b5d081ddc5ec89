import type { ChromeTrace, EnginePort, EngineStats } from '../engine/index.js';
import { EngineError, InvalidArgumentError } from '../errors.js';
import type { BlockMap, BlockMapRange, InvalidateTarget, Pin } from '../kv/index.js';
import type { ChatMessage, TextWorker } from '../text/index.js';
import { type Explanation, explain, type PromptSpec, tokenizeSpec } from './explain.js';
import type { Generation } from './generation.js';
import { checkOptionKeys, optionKeys } from './option-keys.js';
import type {
  ChatOptions,
  ForkOptions,
  GenerateOptions,
  PinPromptOptions,
  PrewarmOptions,
} from './options.js';
import { type PrewarmedPrompt, prewarm } from './prewarm.js';
import { RequestRunner } from './request-runner.js';
import {
  checkTag,
  copyPrompt,
  needsSections,
  type RequestDefaults,
  saltOf,
} from './submit-message.js';

/** What was loaded, and how. */
export interface LlmInfo {
  readonly folder: string;
  readonly architecture: string;
  readonly backend: 'cpu' | 'cuda';
  /** Processor or GPU. */
  readonly deviceName: string;
  /** Instruction set, or the architecture that the GPU's kernels were compiled for. */
  readonly isa: string;
  readonly threads: number;
  /** Whether a request's logits are the same bits whatever runs beside it. */
  readonly deterministic: boolean;
  /** Of the GPU, such as `'9.0'`; undefined on the CPU. */
  readonly computeCapability: string | undefined;
  readonly weightsDtype: string;
  readonly kvDtype: string;
  readonly vocabSize: number;
  readonly contextLen: number;
  readonly blockSize: number;
  readonly numKvBlocks: number;
  readonly kvBlockBytes: number;
  readonly kvCacheBytes: number;
  /** Of everything that keys and values depend on. */
  readonly fingerprint: string;
  /** What in the chat template destroys prefix reuse, a sentence each; reported as a process warning too. */
  readonly templateWarnings: readonly string[];
}

/** What an {@link Llm} is made of; it owns all of it. */
export interface LlmParts {
  readonly core: EnginePort;
  readonly text: TextWorker;
  readonly defaults: Omit<RequestDefaults, 'owner'>;
  readonly info: LlmInfo;
  /** Frees model and device, after the engine was closed. */
  readonly free: () => Promise<void>;
}

/** A pinned prompt. */
export interface PinnedPrompt extends Pin {
  /** Of the prompt; the pin holds those that are cached. */
  readonly numTokens: number;
}

/** A loaded model: chat with it, or continue text. Made by `load`; `close()` frees everything. */
export class Llm {
  readonly info: LlmInfo;
  readonly #parts: LlmParts;
  readonly #runner: RequestRunner;
  #closing: Promise<void> | undefined;

  /** @internal made by `load` */
  constructor(parts: LlmParts) {
    this.#parts = parts;
    this.info = parts.info;
    const { core, text, defaults } = parts;
    this.#runner = new RequestRunner(core, (ids) => text.decodeBatch(ids), defaults);
  }

  /**
   * Answers a chat; submitted at once, whether or not the result is looked at.
   *
   * With `prefix`, `messages` are only those that are new, and the conversation goes on exactly where that reply ended.
   *
   * The generation rejects with an `EngineError` whose code says what is wrong: `ERR_INVALID_ARGUMENT` names option,
   * value and limit; further `ERR_PROMPT_TOO_LONG`, `ERR_TEMPLATE`, `ERR_QUEUE_FULL`, … (docs/errors.md). When `signal` is
   * aborted it rejects with the signal's reason.
   */
  chat<T = unknown>(messages: readonly ChatMessage[], options: ChatOptions<T> = {}): Generation<T> {
    return this.#runner.start<T>(options ?? {}, async () => {
      this.#check(options, optionKeys.chat);
      const { tools, templateVariables, prefix, cache } = options;
      const { canonicalTools, addGenerationPrompt, continueFinalMessage } = options;
      const { tokens, sections } = await this.#parts.text.tokenizeChat({
        messages,
        ...{ tools, canonicalTools, addGenerationPrompt, continueFinalMessage },
        templateVariables,
        isContinuation: prefix !== undefined,
        wantSections: needsSections(cache),
      });
      return { tokens, sections, messages };
    });
  }

  /**
   * Continues text, or token ids, without a chat template. In a text the literals of special tokens are special.
   *
   * The generation rejects as that of `chat` does.
   */
  generate<T = unknown>(
    prompt: string | Int32Array | readonly number[],
    options: GenerateOptions<T> = {},
  ): Generation<T> {
    return this.#runner.start<T>(options ?? {}, async () => {
      this.#check(options, optionKeys.generate);
      return { tokens: await this.#encode(prompt, options), sections: [], messages: [] };
    });
  }

  /**
   * Splits a running generation: the fork has all of its text so far, shares all of its blocks, and goes on by itself.
   *
   * Starts with the next token of the parent; rejects with `ERR_REQUEST_NOT_FOUND` when there is none. It draws with
   * a seed of its own unless one is given. A generation that has ended is continued by its `prefix`.
   */
  fork(generation: Generation, options: ForkOptions = {}): Generation {
    return this.#runner.fork(generation, options, () => this.#check(options, optionKeys.fork));
  }

  /** What is cached of a prompt, where it first differs from what is, and why. */
  async explain(spec: PromptSpec, options: { salt?: string } = {}): Promise<Explanation> {
    this.#check(options, optionKeys.explain);
    const { core, text, defaults } = this.#parts;
    return explain(spec, saltOf(options, defaults.salt), core, text);
  }

  /**
   * Holds what is cached of a prompt against eviction, until `unpin` or for `ttlMs`.
   *
   * @throws {EngineError} `ERR_PIN_BUDGET` when pins would hold more than their share of the cache
   */
  async pin(spec: PromptSpec, options: PinPromptOptions = {}): Promise<PinnedPrompt> {
    this.#check(options, optionKeys.pin);
    checkTag(options.tag);
    const { core, text, defaults } = this.#parts;
    const { tokens } = await tokenizeSpec(spec, text);
    this.#requireOpen();
    const salt = saltOf(options, defaults.salt);
    return { ...(await core.pin({ ...options, tokens, salt })), numTokens: tokens.length };
  }

  /** Lets a pin go; false when it is gone already. */
  async unpin(pin: Pick<Pin, 'id'>): Promise<boolean> {
    this.#requireOpen();
    if (typeof pin?.id !== 'number') throw new InvalidArgumentError('pin', pin, 'what pin() gave');
    return this.#parts.core.unpin(pin.id);
  }

  /**
   * Computes what is not cached of a prompt, without an answer, and pins it: those who ask later find all of it.
   * A request like any other: it waits its turn, and `signal` ends it.
   *
   * @throws {EngineError} `ERR_PIN_BUDGET` when pins would hold more than their share of the cache: the prompt stays
   *   cached, but is not held; otherwise as `generate` does
   */
  prewarm(spec: PromptSpec, options: PrewarmOptions = {}): Promise<PrewarmedPrompt> {
    const { core, text } = this.#parts;
    return prewarm(spec, options ?? {}, {
      runner: this.#runner,
      text,
      check: () => this.#check(options, optionKeys.prewarm),
      pin: (target) => core.pin(target),
    });
  }

  /**
   * Makes cached tokens unhittable at once, by tag, by salt, or all: no later request finds them. Requests that run
   * on them go on. Gives the number of blocks dropped.
   */
  async invalidate(target: InvalidateTarget): Promise<number> {
    this.#requireOpen();
    return this.#parts.core.invalidate(target);
  }

  /**
   * What each block of a stretch of the pool holds, and who holds it: for tools. Takes the thread of the engine for
   * a time that `maxBlocks` bounds; ask for the next stretch in a later turn.
   */
  async blockMap(range: BlockMapRange = {}): Promise<BlockMap> {
    this.#check(range, optionKeys.blockMap);
    return this.#parts.core.blockMap(range);
  }

  /**
   * What the engine does and did, and what its cache holds. With `worker: true` it is what the Worker said last: with
   * the last request that ended and the last call that was answered; ten times a second while requests run.
   */
  stats(): EngineStats {
    this.#requireOpen();
    return this.#parts.core.stats();
  }

  /**
   * What the engine did, for Perfetto or chrome://tracing: steps with their work, and each request's time in the
   * queue, prompt chunks, decoding and preemptions (docs/scheduling.md).
   *
   * @throws {EngineError} `ERR_TRACE_OFF` unless the model was loaded with `maxTraceEvents`
   */
  async trace(): Promise<ChromeTrace> {
    this.#requireOpen();
    return this.#parts.core.trace();
  }

  /**
   * Takes no more requests, waits for those there are (`drain`) or rejects them with `ERR_CLOSED` (`abort`), and frees
   * everything. Resolves when the memory is free. A second call waits for the first; `abort` hurries a drain.
   */
  close(mode: 'drain' | 'abort' = 'drain'): Promise<void> {
    if (mode !== 'drain' && mode !== 'abort') {
      return Promise.reject(new InvalidArgumentError('mode', mode, "'drain' or 'abort'"));
    }
    this.#closing ??= this.#close();
    if (mode === 'abort') {
      this.#runner.failAll(new EngineError('ERR_CLOSED', 'the model was closed'));
    }
    return this.#closing;
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { core, text, free } = this.#parts;
    await this.#runner.whenIdle();
    await core.close();
    await text.close();
    await free();
  }

  #check(options: object, known: Readonly<Record<string, true>>): void {
    this.#requireOpen();
    checkOptionKeys(options, known);
  }

  #requireOpen(): void {
    if (this.#closing) throw new EngineError('ERR_CLOSED', 'the model was closed');
  }

  async #encode(prompt: unknown, { prefix }: GenerateOptions): Promise<Int32Array> {
    if (typeof prompt !== 'string') return copyPrompt(prompt as readonly number[]);
    if (prompt === '' && !prefix) {
      throw new EngineError('ERR_EMPTY_PROMPT', 'the prompt has 0 characters; expected at least 1');
    }
    return this.#parts.text.encode(prompt, prefix === undefined);
  }
}
