import type { EnginePort, SamplingParams } from '../engine/index.js';
import { EngineError, InvalidArgumentError } from '../errors.js';
import type { DecodeBatch } from '../text/index.js';
import { ChoiceBuilder } from './choice-builder.js';
import { Generation } from './generation.js';
import type { ChatOptions, ForkOptions, GenerateOptions } from './options.js';
import { Prefix } from './prefix.js';
import { type Choice, type Reply, sumUsage } from './reply.js';
import { RequestState } from './request-state.js';
import { parseResponse, type ResponseFormat } from './response-format.js';
import { samplingOf } from './sampling.js';
import { readStops } from './stop-strings.js';
import { StreamHub } from './stream-hub.js';
import { makeSubmission, type Prompt, type RequestDefaults } from './submit-message.js';
import { type ToolFormat, toolFormatOf } from './tool-calls.js';

/** Ids before an output that decide how its first token reads; special ones say nothing, and characters may take four. */
const numContextIds = 12;
/** More than any engine runs at once: it refuses such a request itself. */
const maxChoices = 4096;

/** What is known of a request once it is in tokens. */
interface Origin {
  readonly promptParts: readonly Int32Array[];
  readonly salt: string | undefined;
  readonly sampling: SamplingParams;
  readonly stops: readonly string[];
  readonly responseFormat: ResponseFormat | undefined;
  readonly toolFormat: ToolFormat | undefined;
  readonly tokenizeMs: number;
}

/** Carries requests from options to replies over one engine. */
export class RequestRunner {
  readonly #core: EnginePort;
  readonly #hub: StreamHub;
  readonly #defaults: RequestDefaults;
  /** Its requests; `undefined` until they are in tokens. */
  readonly #origins = new WeakMap<RequestState, Origin | undefined>();
  #numRequests = 0;

  constructor(
    core: EnginePort,
    decodeBatch: DecodeBatch,
    defaults: Omit<RequestDefaults, 'owner'>,
  ) {
    this.#core = core;
    this.#defaults = { ...defaults, owner: core };
    this.#hub = new StreamHub(decodeBatch, (handle) => core.releaseHandle(handle));
    core.onStep((output) => this.#hub.receive(output));
  }

  /** Resolves when every request is over. */
  whenIdle(): Promise<void> {
    return this.#hub.whenEmpty();
  }

  /** Rejects every request. */
  failAll(reason: unknown): void {
    this.#hub.failAll(reason);
  }

  /**
   * Starts a request; whatever is wrong with it, the generation rejects.
   *
   * @param tokenize called at once; its exceptions are the request's
   */
  start<T>(options: GenerateOptions<T>, tokenize: () => Promise<Prompt>): Generation<T> {
    const startedMs = performance.now();
    const { id, state } = this.#open(options.signal);
    const submit = async () => {
      if (state.isSettled) return;
      const prompt = await tokenize();
      if (state.isSettled) return;
      this.#submit(id, state, prompt, options, startedMs);
    };
    submit().catch((error) => state.fail(error));
    return new Generation<T>(id, state);
  }

  /**
   * Splits a running choice; see `Llm.fork`.
   *
   * @param check throws when the call itself is refused
   */
  fork(parent: Generation, options: ForkOptions, check: () => void): Generation {
    const { id, state } = this.#open(options?.signal);
    const guarded = (act: () => void) => {
      try {
        if (!state.isSettled) act();
      } catch (error) {
        state.fail(error);
      }
    };
    guarded(() => {
      check();
      this.#requireOwn(parent);
      const act = () => guarded(() => this.#fork(id, state, parent, options));
      this.#hub.afterNextTokens(parent.id, act);
    });
    return new Generation(id, state);
  }

  /** @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` when the generation is another model's */
  #requireOwn(generation: Generation): void {
    if (generation instanceof Generation && this.#origins.has(generation.state)) return;
    throw new InvalidArgumentError('generation', generation, 'a generation of this model');
  }

  #open(signal: AbortSignal | undefined): { id: number; state: RequestState } {
    const id = this.#numRequests++;
    const state: RequestState = new RequestState(
      {
        makeReply: (choices) => this.#makeReply(state, choices),
        abort: () => this.#core.abort(id),
        onSettled: () => {
          this.#hub.remove(id);
          if (!state.reply) this.#releaseHandles(state.choices);
        },
      },
      signal,
    );
    this.#origins.set(state, undefined);
    this.#hub.add(id, state);
    state.watchSignal();
    return { id, state };
  }

  #submit(
    id: number,
    state: RequestState,
    prompt: Prompt,
    options: GenerateOptions,
    startedMs: number,
  ): void {
    const stops = readStops(options.stop);
    const { message, promptParts } = makeSubmission(id, prompt, options, this.#defaults);
    const { salt, sampling, n = 1 } = message;
    const tokenizeMs = performance.now() - startedMs;
    const { responseFormat } = options;
    const hasTools = (options as ChatOptions).tools !== undefined && message.grammar === undefined;
    const toolFormat = toolFormatOf(options.toolFormat, hasTools, this.#defaults.toolFormat);
    this.#origins.set(state, {
      promptParts,
      salt,
      sampling,
      stops,
      responseFormat,
      toolFormat,
      tokenizeMs,
    });
    const contextIds = lastIds(promptParts);
    const numChoices = Number.isInteger(n) ? Math.min(Math.max(n, 1), maxChoices) : 1;
    state.choices = Array.from(
      { length: numChoices },
      (_, index) => new ChoiceBuilder(index, stops, contextIds, toolFormat),
    );
    this.#core.submit(message);
  }

  /** The engine may have drawn more for the parent by the time it splits: it says how much the fork starts with. */
  #fork(id: number, state: RequestState, parent: Generation, options: ForkOptions): void {
    const { choice: sample = 0, maxTokens, signal: _, stop, ...changes } = options;
    const choice = parent.findChoice(sample);
    const origin = this.#origins.get(parent.state);
    if (!choice || !origin || parent.state.isSettled || choice.isStopped || choice.finished) {
      throw choiceEnded(sample);
    }
    const stops = stop === undefined ? origin.stops : readStops(stop);
    const sampling = { ...origin.sampling, ...samplingOf(changes, origin.sampling) };
    this.#origins.set(state, { ...origin, stops, sampling, tokenizeMs: 0 });
    const builder = new ChoiceBuilder(0, stops, lastIds(origin.promptParts), origin.toolFormat);
    state.choices = [builder];
    state.onForked = (numOutputTokens) => {
      builder.startWith(choice, numOutputTokens);
      if (builder.tokenIds.length < builder.numInherited) state.fail(choiceEnded(sample));
      else this.#hub.addTokens(state, builder, builder.tokenIds);
    };
    this.#core.fork({
      id,
      from: parent.id,
      sample,
      sampling,
      ...(maxTokens === undefined ? {} : { maxTokens }),
    });
  }

  /** Of choices that nobody will continue. */
  #releaseHandles(builders: readonly ChoiceBuilder[]): void {
    for (const { finished } of builders) {
      if (finished?.handle !== undefined) this.#core.releaseHandle(finished.handle);
    }
  }

  async #makeReply(state: RequestState, builders: readonly ChoiceBuilder[]): Promise<Reply> {
    const origin = this.#origins.get(state)!;
    const choices = await Promise.all(builders.map((builder) => this.#makeChoice(origin, builder)));
    this.#releaseHandles(builders.filter((builder) => builder.isStopped)); // they go past the stop text
    const usages = builders.map((builder) => builder.finished!.usage);
    const [{ index: _, ...first }] = choices;
    return { ...first, choices, usage: sumUsage(usages, origin.tokenizeMs) };
  }

  async #makeChoice(
    { promptParts, salt, responseFormat }: Origin,
    builder: ChoiceBuilder,
  ): Promise<Choice> {
    const { index, text, tokenIds, finishReason, logprobs, digests, finished } = builder;
    const { toolCalls, parts } = builder;
    const { stopTokenId, handle } = builder.isStopped ? {} : finished!;
    const output = stopTokenId === undefined ? tokenIds : [...tokenIds, stopTokenId];
    const prefix = new Prefix({
      tokens: [...promptParts, Int32Array.from(output)],
      stopTokenId,
      salt,
      owner: this.#core,
      handle,
      release: (id) => this.#core.releaseHandle(id),
    });
    const isWhole = finishReason === 'stop' && !builder.isStopped;
    return {
      index,
      text,
      tokenIds,
      finishReason,
      toolCalls,
      parts,
      ...(await parseResponse(text, responseFormat, isWhole)),
      logprobs: logprobs.length > 0 ? logprobs : undefined,
      digests: digests.length > 0 ? digests : undefined,
      prefix,
    };
  }
}

/** It has no next token to be split at; a stop text may have taken some that it had. */
function choiceEnded(sample: number): EngineError {
  const message = `choice ${sample} of the generation has ended`;
  return new EngineError('ERR_REQUEST_NOT_FOUND', message, {
    hint: 'Continue its prefix instead.',
  });
}

/** The last ids of a prompt. */
function lastIds(parts: readonly Int32Array[]): number[] {
  const ids: number[] = [];
  for (let i = parts.length - 1; i >= 0 && ids.length < numContextIds; i--) {
    ids.unshift(...parts[i].subarray(Math.max(0, parts[i].length - numContextIds + ids.length)));
  }
  return ids;
}
