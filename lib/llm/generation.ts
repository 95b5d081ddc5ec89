import type { ChoiceBuilder } from './choice-builder.js';
import type { Chunk, FinishReason, Reply, Usage } from './reply.js';
import type { RequestState } from './request-state.js';
import type { ReplyPart } from './tool-calls.js';

/**
 * A reply in the making: await it for the whole, or iterate it for the text as it comes.
 *
 * It runs whether or not anybody looks. Any number of readers may iterate it, at any time and speed: each gets all
 * of it from the start. A reader that leaves early ends the request, unless somebody awaits it.
 */
export class Generation<T = unknown> implements PromiseLike<Reply<T>>, AsyncIterable<string> {
  readonly #state: RequestState;

  /** @internal made by `Llm` */
  constructor(
    /** @internal the engine's number for it */
    readonly id: number,
    state: RequestState,
  ) {
    this.#state = state;
  }

  // biome-ignore lint/suspicious/noThenProperty: awaiting it is its purpose
  then<A = Reply<T>, B = never>(
    onReply?: ((reply: Reply<T>) => A | PromiseLike<A>) | null,
    onError?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#state.isAwaited = true;
    return (this.#state.done as Promise<Reply<T>>).then(onReply, onError);
  }

  /** Like that of a promise for the reply. */
  catch<B>(onError: (reason: unknown) => B | PromiseLike<B>): Promise<Reply<T> | B> {
    return this.then(undefined, onError);
  }

  /** Like that of a promise for the reply. */
  finally(onSettled: () => void): Promise<Reply<T>> {
    this.#state.isAwaited = true;
    return (this.#state.done as Promise<Reply<T>>).finally(onSettled);
  }

  /** Choice 0's text so far; after an abort, what there was. */
  get text(): string {
    return this.#state.choices[0]?.text ?? '';
  }

  /** Choice 0's tokens so far. */
  get tokenIds(): readonly number[] {
    return this.#state.choices[0]?.tokenIds ?? [];
  }

  /** `undefined` until the request ended well. */
  get usage(): Usage | undefined {
    return this.#state.reply?.usage;
  }

  /** `undefined` until the request ended well. */
  get finishReason(): FinishReason | undefined {
    return this.#state.reply?.finishReason;
  }

  /** Ends the request: it rejects with `reason`, and its blocks are free before the next step. */
  abort(reason: unknown = new DOMException('This operation was aborted', 'AbortError')): void {
    this.#state.abort(reason);
  }

  /**
   * The pieces of all choices, with their tokens.
   *
   * @throws what the request rejects with, after the last piece
   */
  async *chunks(): AsyncGenerator<Chunk, void, void> {
    const state = this.#state;
    try {
      for (let next = 0; ; ) {
        while (next < state.chunks.length) yield state.chunks[next++];
        if (state.isSettled) break;
        await state.changed();
      }
      await state.done;
    } finally {
      if (!state.isAwaited) this.abort();
    }
  }

  /**
   * Choice 0's text as it comes.
   *
   * @throws what the request rejects with, after the last piece
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, void> {
    for await (const { choice, text } of this.chunks()) {
      if (choice === 0 && text !== '') yield text;
    }
  }

  /**
   * Choice 0's text and tool calls as they come.
   *
   * @throws what the request rejects with, after the last part
   */
  async *parts(): AsyncGenerator<ReplyPart, void, void> {
    for await (const { choice, parts } of this.chunks()) {
      if (choice === 0) yield* parts;
    }
  }

  /** @internal */
  get state(): RequestState {
    return this.#state;
  }

  /** @internal what a fork starts from; `undefined` when there is none */
  findChoice(index: number): ChoiceBuilder | undefined {
    return this.#state.choices[index];
  }
}
