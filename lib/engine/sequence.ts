import type { GrammarSpec, TokenMasks } from '../grammar/index.js';
import type { BlockCopy, BlockTable, ExtraKeys } from '../kv/index.js';
import type { SamplingParams } from './messages.js';
import type { PlannedChunk } from './step-plan.js';
import { TokenList } from './token-list.js';
import { UsageMeter } from './usage-meter.js';

/** A request with everything checked and filled in. */
export interface RequestOptions {
  readonly id: number;
  /** The whole prompt, a continued handle's tokens included. */
  readonly promptTokens: Int32Array;
  readonly maxTokens: number;
  readonly minTokens: number;
  readonly n: number;
  readonly sampling: SamplingParams;
  readonly grammar: GrammarSpec | undefined;
  readonly stopTokenIds: ReadonlySet<number>;
  readonly extraKeys: ExtraKeys | null;
  readonly priority: number;
  /** From its submission on; Infinity: no limit. */
  readonly timeoutMs: number;
  /** Whether cached blocks are looked up. */
  readonly usesCache: boolean;
  /** Tokens from which on nothing is kept; 0 keeps nothing, Infinity everything. */
  readonly maxKeepTokens: number;
  readonly retainMs: number | undefined;
  readonly maxIdleMs: number | undefined;
  readonly keepPrefix: boolean;
  readonly wantDigests: boolean;
  readonly tag: string | undefined;
}

/** What a caller asked for: one prompt, and the samples grown from it. */
export class Request {
  /** Samples that have been started and have not ended. */
  readonly sequences = new Set<Sequence>();

  /**
   * @param arrival goes up with each request: first come, first served
   * @param submitMs on the engine's clock
   * @param rank where it stands in line; lower goes first
   */
  constructor(
    readonly options: RequestOptions,
    readonly arrival: number,
    readonly submitMs: number,
    readonly rank: number,
  ) {}

  get id(): number {
    return this.options.id;
  }

  /** On the engine's clock; Infinity: none. */
  get deadlineMs(): number {
    return this.submitMs + this.options.timeoutMs;
  }
}

/**
 * One stream of tokens grown for a request.
 *
 * Invariants: it is `waiting` (holds no blocks, no rows), `running` (has a block table that covers
 * `numSubmitted` tokens, and its rows) or `ended`; `numComputed < numTokens`; while it runs, keys and values of
 * positions `[0, numComputed)` were found or written by steps that completed, and those of
 * `[numComputed, numSubmitted)` are what its chunks in flight write. It may wait, or have ended, with chunks in
 * flight: the blocks that those write may be another's already, whose steps run later.
 */
export class Sequence {
  state: 'waiting' | 'running' | 'ended' = 'waiting';
  readonly tokens: TokenList;
  numComputed = 0;
  numSubmitted = 0;
  /** Its chunks in steps that have not completed, oldest first; those that will not count are not among them. */
  readonly inFlight: PlannedChunk[] = [];
  /** Positions below it lie in blocks of others: their K/V is not written again. */
  sharedLen = 0;
  table: BlockTable | undefined;
  /**
   * Rows of the device's block tables; sampling slots have the same numbers. The first is its own, the
   * others are kept for the samples that start when the prompt is done. Replaced, not changed: chunks share it.
   */
  rows: readonly number[] = [];
  /** Copies that its next step does before its tokens run. */
  pendingCopies: BlockCopy[] = [];
  /** The running sequence that computes what this one needs, and how far it must get: a tail must be computed. */
  waitsFor:
    | { readonly producer: Sequence; readonly until: number; readonly isTail: boolean }
    | undefined;
  /** Whether it waits because others of its salt run. */
  isHeldBack = false;
  /** Whether it lost its blocks once. */
  isResumed = false;
  /** What its grammar lets it draw; undefined where it may draw anything. */
  masks: TokenMasks | undefined;
  readonly meter: UsageMeter;

  /**
   * @param sample 0 to n - 1
   * @param tokens prompt and what was drawn already; copied
   */
  constructor(
    readonly request: Request,
    readonly sample: number,
    tokens: Int32Array,
  ) {
    this.tokens = new TokenList(tokens, request.options.maxTokens);
    const isSibling = sample > 0;
    this.meter = new UsageMeter(request.options.promptTokens.length, request.submitMs, isSibling);
  }

  get numTokens(): number {
    return this.tokens.length;
  }

  get promptLen(): number {
    return this.meter.promptLen;
  }

  get numOutputTokens(): number {
    return this.tokens.length - this.promptLen;
  }

  /** Whether it can be drawn from: what its grammar allows after its last token is known. */
  get isDrawable(): boolean {
    return this.masks?.isReady !== false;
  }

  /** Whether all of its known tokens but the last are computed. */
  get isDecoding(): boolean {
    return this.numTokens - this.numComputed === 1;
  }

  /** Tokens that steps in flight are drawing for it. */
  get numPendingTokens(): number {
    let numPending = 0;
    for (let i = 0; i < this.inFlight.length; i++) {
      if (this.inFlight[i].drawRows.length > 0) numPending++;
    }
    return numPending;
  }

  /** Rows until it draws: all tokens that it has or is about to have, less those submitted. */
  get numRowsToDraw(): number {
    return this.numTokens + this.numPendingTokens - this.numSubmitted;
  }

  /** Whether the steps in flight draw as many tokens as it may have: it has nothing left to run. */
  get isDrawingLast(): boolean {
    const { maxTokens } = this.request.options;
    return this.numPendingTokens > 0 && this.numOutputTokens + this.numPendingTokens >= maxTokens;
  }

  /** Rows it must have to run: one, and one for each sample that its prompt still has to start. */
  get numRowsNeeded(): number {
    return this.startsSiblings ? this.request.options.n : 1;
  }

  /** Whether the request's other samples start when this one's prompt is done. */
  get startsSiblings(): boolean {
    return this.sample === 0 && this.numOutputTokens === 0;
  }

  /** Seed of sample `sample` of the request. */
  seedOf(sample: number): bigint {
    return BigInt.asUintN(64, this.request.options.sampling.seed + BigInt(sample));
  }
}
