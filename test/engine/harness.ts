import {
  EngineCore,
  type EngineCoreOptions,
  type Executor,
  type ExecutorLimits,
  errorOf,
  type FinishedEvent,
  type SamplingParams,
  type SlotParams,
  type StepBatch,
  type StepOutcome,
  type SubmitMessage,
  type TokenLogprobs,
} from '../../lib/engine/index.js';
import type { EngineError } from '../../lib/errors.js';
import { ArithmeticExecutor, type ArithmeticExecutorOptions } from './arithmetic-executor.js';

/** Greedy, nothing else. */
export const greedy: SamplingParams = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  seed: 0n,
};

/** What one sample of a request became. */
export interface SampleResult {
  tokens: number[];
  digests: bigint[];
  logprobs: TokenLogprobs[];
  finished?: FinishedEvent;
}

/** Speaks to an engine as its face does: submits messages and gathers events. */
export class Client {
  readonly samples = new Map<number, SampleResult[]>();
  readonly #numOpen = new Map<number, number>();
  readonly #waiting = new Map<
    number,
    { resolve: () => void; reject: (error: EngineError) => void }
  >();
  #lastId = 0;
  /** Called after each delivery of events. */
  afterEvents = (): void => {};

  /** @param checks assert the engine's invariants after each step */
  constructor(
    readonly core: EngineCore,
    checks = true,
  ) {
    core.onStep(({ events }) => {
      for (const event of events) this.#take(event);
      if (checks) core.checkInvariants();
      this.afterEvents();
    });
  }

  nextId(): number {
    this.#lastId++;
    return this.#lastId;
  }

  /** Submits a request; its promise resolves when all samples have finished. */
  run(prompt: ArrayLike<number>, changes: Partial<SubmitMessage> = {}): Promise<SampleResult[]> {
    const message: SubmitMessage = {
      id: this.nextId(),
      promptTokens: Int32Array.from(prompt),
      maxTokens: 1,
      sampling: greedy,
      stopTokenIds: [],
      wantDigests: true,
      ...changes,
    };
    const done = this.follow(message.id, message.n);
    this.core.submit(message);
    return done;
  }

  /** The only sample of a request. */
  async runOne(
    prompt: ArrayLike<number>,
    changes: Partial<SubmitMessage> = {},
  ): Promise<SampleResult> {
    return (await this.run(prompt, changes))[0];
  }

  /** Gathers the events of an id. */
  follow(id: number, n = 1): Promise<SampleResult[]> {
    this.samples.set(
      id,
      Array.from({ length: n }, () => ({ tokens: [], digests: [], logprobs: [] })),
    );
    this.#numOpen.set(id, n);
    const done = new Promise<void>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    return done.then(() => this.samples.get(id) as SampleResult[]);
  }

  #take(event: Parameters<Parameters<EngineCore['onStep']>[0]>[0]['events'][number]): void {
    const waiting = this.#waiting.get(event.id);
    if (event.type === 'failed') {
      waiting?.reject(errorOf(event));
      return;
    }
    if (event.type === 'forked') return;
    const result = this.samples.get(event.id)?.[event.sample];
    if (result === undefined) throw new Error(`an event of ${event.id}, which is not followed`);
    if (event.type === 'tokens') {
      result.tokens.push(...event.tokenIds);
      result.digests.push(...(event.digests ?? []));
      result.logprobs.push(...(event.logprobs ?? []));
      return;
    }
    if (result.finished !== undefined) throw new Error(`sample ${event.sample} finished twice`);
    result.finished = event;
    const numOpen = (this.#numOpen.get(event.id) ?? 0) - 1;
    this.#numOpen.set(event.id, numOpen);
    if (numOpen === 0) waiting?.resolve();
  }
}

export interface ArithmeticEngineOptions extends ArithmeticExecutorOptions {
  contextLen?: number;
  eosTokenIds?: number[];
  engine?: Partial<EngineCoreOptions>;
  /** Sees each step before it is submitted, and may change it. */
  onSubmit?: (step: StepBatch) => void;
}

/** An engine over the arithmetic model. */
export function arithmeticEngine(options: ArithmeticEngineOptions) {
  const { numBlocks, blockSize, contextLen = 512, eosTokenIds = [] } = options;
  const executor = new ArithmeticExecutor(options);
  const core = new EngineCore({
    executor: new WatchedExecutor(executor, options.onSubmit ?? (() => {})),
    model: { vocabSize: executor.vocabSize, contextLen, eosTokenIds },
    kv: { numBlocks, blockSize },
    ...options.engine,
  });
  return { core, executor, client: new Client(core) };
}

/** Lets a test see, or spoil, each step between the engine and its executor. */
export class WatchedExecutor implements Executor {
  constructor(
    readonly inner: Executor,
    readonly onSubmit: (step: StepBatch) => void,
  ) {}

  get limits(): ExecutorLimits {
    return this.inner.limits;
  }

  createStep(): StepBatch {
    return this.inner.createStep();
  }

  submit(step: StepBatch): Promise<StepOutcome> {
    this.onSubmit(step);
    return this.inner.submit(step);
  }

  setSamplingSlot(slot: number, params: SlotParams): void {
    this.inner.setSamplingSlot(slot, params);
  }

  setSlotMask(slot: number, mask: Int32Array): void {
    this.inner.setSlotMask(slot, mask);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

/** A small deterministic generator of numbers in [0, 1): mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let h = Math.imul(state ^ (state >>> 15), state | 1);
    h ^= h + Math.imul(h ^ (h >>> 7), h | 61);
    return ((h ^ (h >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `length` random token ids. */
export function randomTokens(random: () => number, length: number, vocabSize: number): number[] {
  return Array.from({ length }, () => Math.floor(random() * vocabSize));
}
