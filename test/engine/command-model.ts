import { strict as assert } from 'node:assert';
import type { SamplingParams, SubmitMessage } from '../../lib/engine/index.js';
import type { EngineError } from '../../lib/errors.js';
import { Random } from '../conformance/random.js';
import { greedy, type SampleResult } from './harness.js';
import type { EngineSize, RecallEngine, RecallEngines } from './recall-engines.js';
import type { ReferenceAnswers } from './reference-answers.js';

/** Output tokens that a request has at most; a reference has as many, once. */
export const maxOutputTokens = 16;
const numBases = 3;
const baseLen = 96;
const vocabSize = 500;

/** A request and what must come of it. */
interface Asked {
  readonly id: number;
  readonly prompt: readonly number[];
  readonly sampling: SamplingParams;
  /** The request that it was split from: its prompt is that one's, and the parent's tokens up to the fork. */
  readonly parent: { prompt: readonly number[]; samples: readonly SampleResult[] } | undefined;
  /** Codes that it may fail with. */
  readonly mayFailWith: readonly string[];
  readonly isContinued: boolean;
  isAborted: boolean;
  readonly done: Promise<readonly SampleResult[] | EngineError>;
}

/** What happened over a run; each must have. */
export const emptyCounts = () => ({
  answers: 0,
  hits: 0,
  partialHits: 0,
  blocksCopied: 0,
  preemptions: 0,
  recomputedTokens: 0,
  coalesced: 0,
  abortsMidStep: 0,
  abortedWithTokens: 0,
  forks: 0,
  siblings: 0,
  continued: 0,
  refused: 0,
  pins: 0,
  evicted: 0,
  invalidated: 0,
  drained: 0,
  closedByAbort: 0,
});
export type Counts = ReturnType<typeof emptyCounts>;

export const salts = [undefined, 'north'] as const;
export const tags = ['alpha', 'beta'] as const;

/** What was done, newest last: a failure shows its end. */
export type History = { readonly done: string[] };

export interface Wish {
  readonly base: number;
  readonly sharedLen: number;
  readonly ownLen: number;
  readonly maxTokens: number;
  readonly n: number;
  readonly isDrawn: boolean;
  readonly cache: 'auto' | 'off' | 'part';
  readonly salt: number;
  readonly keepPrefix: boolean;
  readonly priority: number;
  readonly tag: number | undefined;
}

/** The system that commands work on: an engine at a time, and all that was asked of it. */
export class Users {
  readonly counts = emptyCounts();
  engine: RecallEngine;
  readonly #asked = new Map<number, Asked>();
  readonly #handles: Array<{ id: number; tokens: readonly number[]; salt: string | undefined }> =
    [];
  readonly #pins: number[] = [];
  readonly #bases = Array.from({ length: numBases }, (_, i) => {
    const random = new Random(i, 'base');
    return Array.from({ length: baseLen }, () => random.integer(4, vocabSize));
  });

  constructor(
    readonly engines: RecallEngines,
    readonly references: ReferenceAnswers,
    size: EngineSize,
  ) {
    this.engine = engines.engine(size);
  }

  submit(wish: Wish): void {
    const { base, sharedLen, ownLen } = wish;
    // Few endings, so that prompts come again and their references are computed once.
    const own = new Random(ownLen, 'own');
    const prompt = [
      ...this.#bases[base].slice(0, sharedLen),
      ...Array.from({ length: ownLen }, () => own.integer(4, vocabSize)),
    ];
    this.#run(prompt, prompt, wish, salts[wish.salt]);
  }

  /** Goes on from a handle that is held. */
  goOn(which: number, wish: Wish): void {
    const handle = this.#handles[which % Math.max(1, this.#handles.length)];
    if (handle === undefined || handle.tokens.length > 160) return;
    const added = [40 + wish.ownLen];
    const whole = [...handle.tokens, ...added];
    this.#run(whole, added, { ...wish, cache: 'auto' }, handle.salt, handle.id);
  }

  #run(
    prompt: readonly number[],
    sent: readonly number[],
    wish: Wish,
    salt: string | undefined,
    continueFrom?: number,
  ): void {
    const { client, core } = this.engine;
    const id = client.nextId();
    const sampling = wish.isDrawn
      ? { ...greedy, temperature: 1, presencePenalty: 0.5, seed: 7n }
      : greedy;
    const done = this.#follow(id, wish.n);
    const mayFailWith = ['ERR_OUT_OF_BLOCKS', 'ERR_POOL_TOO_SMALL', 'ERR_QUEUE_FULL'];
    // It may have expired: `retainMs` bounds a handle too.
    if (continueFrom !== undefined) mayFailWith.push('ERR_PREFIX_RELEASED');
    if (wish.n > 1) mayFailWith.push('ERR_INVALID_ARGUMENT'); // more samples than the engine has rows
    this.#asked.set(id, {
      ...{ id, prompt, sampling, mayFailWith, done },
      isContinued: continueFrom !== undefined,
      parent: undefined,
      isAborted: false,
    });
    const message: SubmitMessage = {
      id,
      promptTokens: Int32Array.from(sent),
      maxTokens: wish.maxTokens,
      n: wish.n,
      sampling,
      stopTokenIds: [],
      wantDigests: true,
      cache: wish.cache === 'part' ? { upToTokens: 40 } : wish.cache,
      keepPrefix: wish.keepPrefix && wish.cache !== 'off',
      priority: wish.priority,
      ...(salt === undefined ? {} : { salt }),
      ...(wish.tag === undefined || wish.cache === 'off'
        ? {}
        : { tag: tags[wish.tag], retainMs: 50 }),
      ...(continueFrom === undefined ? {} : { continueFrom }),
    };
    core.submit(message);
    if (message.keepPrefix) void done.then((samples) => this.#keep(samples, prompt, salt));
  }

  #keep(
    samples: readonly SampleResult[] | EngineError,
    prompt: readonly number[],
    salt: string | undefined,
  ): void {
    if (!isAnswer(samples)) return;
    for (const { finished, tokens } of samples) {
      const id = finished?.handle;
      if (id !== undefined) this.#handles.push({ id, tokens: [...prompt, ...tokens], salt });
    }
  }

  /** @param which counted from the newest request */
  abort(which: number): void {
    const asked = [...this.#asked.values()].at(-1 - which);
    if (asked === undefined) return;
    asked.isAborted = true;
    const { core, executor, client } = this.engine;
    const isOpen = client.samples.get(asked.id)?.some(({ finished }) => finished === undefined);
    if (isOpen && executor.numInFlight > 0) this.counts.abortsMidStep++;
    core.abort(asked.id);
  }

  fork(which: number): void {
    const { client, core } = this.engine;
    const parent = [...this.#asked.values()].at(-1 - which);
    if (parent === undefined || parent.parent !== undefined) return;
    const id = client.nextId();
    const samples = client.samples.get(parent.id) ?? [];
    const done = this.#follow(id, 1);
    this.#asked.set(id, {
      id,
      prompt: [],
      sampling: parent.sampling,
      parent: { prompt: parent.prompt, samples },
      mayFailWith: ['ERR_REQUEST_NOT_FOUND', 'ERR_OUT_OF_BLOCKS', 'ERR_QUEUE_FULL', 'ERR_CLOSED'],
      isContinued: false,
      isAborted: false,
      done,
    });
    core.fork({ id, from: parent.id, maxTokens: 5 });
  }

  release(which: number): void {
    const [handle] = this.#handles.splice(which % Math.max(1, this.#handles.length), 1);
    if (handle !== undefined) this.engine.core.releaseHandle(handle.id);
  }

  pin(base: number, numTokens: number, tag: number): void {
    const tokens = Int32Array.from(this.#bases[base].slice(0, numTokens));
    try {
      this.#pins.push(this.engine.core.pin({ tokens, tag: tags[tag] }).id);
      this.counts.pins++;
    } catch (error) {
      assert.equal((error as EngineError).code, 'ERR_PIN_BUDGET');
    }
  }

  unpin(which: number): void {
    const [pin] = this.#pins.splice(which % Math.max(1, this.#pins.length), 1);
    if (pin !== undefined) this.engine.core.unpin(pin);
  }

  invalidate(target: { tag: string } | { salt: string } | { all: true }): void {
    this.counts.invalidated += this.engine.core.invalidate(target);
  }

  /** Lets so many steps run, or all that there are. */
  async steps(count: number): Promise<void> {
    const { core } = this.engine;
    const { numSteps } = core.stats();
    for (;;) {
      await new Promise(setImmediate);
      const now = core.stats();
      if (now.numSteps >= numSteps + count || now.numRunning + now.numWaiting === 0) return;
    }
  }

  check(): void {
    if (this.engine.violation !== undefined) throw this.engine.violation;
    this.engine.core.checkInvariants();
  }

  /** Ends the engine, checks every answer that it gave, and opens another. */
  async reopen(mode: 'drain' | 'abort', size: EngineSize): Promise<void> {
    await this.close(mode);
    this.engine = this.engines.engine(size);
  }

  async close(mode: 'drain' | 'abort'): Promise<void> {
    const { core } = this.engine;
    if (mode === 'drain') await Promise.all([...this.#asked.values()].map(({ done }) => done));
    for (const { id } of this.#handles.splice(0)) core.releaseHandle(id);
    for (const pin of this.#pins.splice(0)) core.unpin(pin);
    if (mode === 'drain') this.#checkBlocks();
    if (mode === 'abort') for (const asked of this.#asked.values()) asked.isAborted = true;
    await core.close(mode);
    this.counts[mode === 'drain' ? 'drained' : 'closedByAbort']++;
    for (const asked of this.#asked.values()) await this.#checkAnswer(asked);
    const { numCoalesced, numPreemptions, blocksCopied, cache } = core.stats();
    this.counts.coalesced += numCoalesced;
    this.counts.preemptions += numPreemptions;
    this.counts.blocksCopied += blocksCopied;
    this.counts.evicted += cache.removals.evicted;
    assert.equal(cache.numLive, 0, 'blocks that nobody gave back');
    this.#asked.clear();
    this.#handles.length = 0;
    this.check();
  }

  /** Nobody is left: each block is empty, cached, or held for `retainMs`. */
  #checkBlocks(): void {
    const { numRunning, numWaiting, cache } = this.engine.core.stats();
    assert.deepEqual([numRunning, numWaiting, cache.numLive], [0, 0, 0]);
    const { numFree, numCachedIdle, numPinned, numBlocks } = cache;
    assert.equal(numFree + numCachedIdle + numPinned, numBlocks - 1);
  }

  /** A whole answer, or as much as there was when it was aborted, is what the request gives alone. */
  async #checkAnswer(asked: Asked): Promise<void> {
    const samples = await asked.done;
    if (!isAnswer(samples)) {
      assert(asked.mayFailWith.includes(samples.code), `${samples.code}: ${samples.message}`);
      this.counts.refused++;
      return;
    }
    for (const [i, result] of samples.entries()) {
      const { reason, usage } = result.finished!;
      assert(reason !== 'abort' || asked.isAborted, 'aborted, and nobody asked for it');
      assert.equal(result.tokens.length, usage.outputTokens, 'tokens lost or given twice');
      if (reason !== 'abort' && i === 0) {
        assert.equal(usage.promptTokens, usage.cachedTokens + usage.computedTokens);
      }
      await this.#compare(asked, result, i);
      this.#count(asked, result, i);
    }
  }

  async #compare({ prompt, parent, sampling }: Asked, result: SampleResult, i: number) {
    if (result.tokens.length === 0) return;
    let whole = prompt;
    if (parent !== undefined) {
      const numShared = result.finished!.usage.promptTokens - parent.prompt.length;
      whole = [...parent.prompt, ...parent.samples[0].tokens.slice(0, numShared)];
    }
    const own = { ...sampling, seed: sampling.seed + BigInt(i) };
    const wanted = await this.references.get(whole, maxOutputTokens, own);
    const length = result.tokens.length;
    assert.deepEqual(result.tokens, wanted.tokens.slice(0, length), 'other tokens than alone');
    assert.deepEqual(result.digests, wanted.digests.slice(0, length), 'other logits than alone');
  }

  #count(asked: Asked, { finished, tokens }: SampleResult, i: number): void {
    const { usage, reason } = finished!;
    const { counts } = this;
    counts.answers += reason === 'abort' ? 0 : 1;
    counts.abortedWithTokens += reason === 'abort' && tokens.length > 0 ? 1 : 0;
    counts.hits += usage.cachedTokens > 0 ? 1 : 0;
    counts.partialHits += usage.copiedTokens > 0 ? 1 : 0;
    counts.recomputedTokens += usage.recomputedTokens;
    counts.forks += asked.parent === undefined ? 0 : 1;
    counts.continued += asked.isContinued ? 1 : 0;
    counts.siblings += i > 0 && tokens.length > 0 ? 1 : 0;
  }

  #follow(id: number, n: number): Promise<readonly SampleResult[] | EngineError> {
    return this.engine.client.follow(id, n).catch((error: EngineError) => error);
  }
}

function isAnswer(
  samples: readonly SampleResult[] | EngineError,
): samples is readonly SampleResult[] {
  return Array.isArray(samples);
}
