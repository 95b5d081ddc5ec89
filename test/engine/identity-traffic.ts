import type { SamplingParams, SubmitMessage, Usage } from '../../lib/engine/index.js';
import type { EngineError } from '../../lib/errors.js';
import { Random } from '../conformance/random.js';
import { type DeviceEngine, tinyVocabSize } from './device-engine.js';
import { greedy, type SampleResult } from './harness.js';

/** A request that was answered, as the comparison wants it. */
export interface Answered {
  /** What is asked of the cache: nothing, any hit, or a copy of a finished answer's tail. */
  readonly expects: 'nothing' | 'hit' | 'tail';
  readonly prompt: readonly number[];
  readonly sampling: SamplingParams;
  readonly result: SampleResult;
}

/** What a run of the traffic gave. */
export interface TrafficReport {
  readonly answered: readonly Answered[];
  /** Requests that failed; a spoiled step may have that effect. */
  readonly failures: readonly EngineError[];
}

/** Ends an answer somewhere on its way. */
const oneInSix = Array.from({ length: tinyVocabSize / 6 }, (_, i) => 6 * i);

type Changes = Partial<SubmitMessage> & { expects?: Answered['expects'] };

/**
 * Sends an engine what makes every kind of hit, in waves, each batched with strangers:
 * cold and coalesced prompts; repeated ones, prefixes, second turns and n samples; handles, forks,
 * diverging prompts and third turns; fourth turns with long answers.
 */
export class IdentityTraffic {
  readonly #random: Random;
  readonly #answered: Answered[] = [];
  readonly #failures: EngineError[] = [];
  #lastSeed = 0n;

  constructor(
    readonly engine: DeviceEngine,
    seed: number,
  ) {
    this.#random = new Random(seed, 'identity traffic');
  }

  /** Short prompts with long answers: many run at once, and in a small pool not all to their end. */
  async crowd(): Promise<void> {
    await Promise.all(
      Array.from({ length: 14 }, () =>
        this.#one(this.#tokens(5, 15), { maxTokens: 40, sampling: this.#penalized() }),
      ),
    );
  }

  async run(): Promise<TrafficReport> {
    const common = this.#tokens(37, 90);
    const first = [...common, ...this.#tokens(5, 60)];
    const second = [...common, ...this.#tokens(5, 60)];
    const stranger = this.#tokens(10, 120);
    const [one, two, , three] = await Promise.all([
      this.#one(first),
      this.#one(second, { expects: 'hit', sampling: this.#drawing() }),
      this.#one(first, { expects: 'hit', maxTokens: 2 }),
      this.#one(stranger, { maxTokens: 9 }),
      this.#one(this.#tokens(10, 200), { cache: 'off', maxTokens: 15, stopTokenIds: oneInSix }),
    ]);
    const secondTurn = this.#turnOf(first, one);
    const strangerTurn = this.#turnOf(stranger, three);
    const [four, , , six] = await Promise.all([
      this.#one(secondTurn, { expects: 'tail' }),
      this.#one(first, { expects: 'hit' }),
      this.#one(first.slice(0, this.#random.integer(20, first.length)), { expects: 'hit' }),
      this.#one(strangerTurn, { expects: 'tail', sampling: this.#drawing() }),
      this.#one([...common.slice(0, -2), ...this.#tokens(8, 20)], { expects: 'hit' }),
      this.#many([...common, ...this.#tokens(5, 30)], 3),
      this.#one(this.#tokens(10, 120), { cache: 'off' }),
    ]);
    await Promise.all([this.#keepAndContinue(), this.#one(this.#tokens(10, 40))]);
    const thirdTurn = this.#turnOf(secondTurn, four);
    const otherTurn = this.#turnOf(second, two);
    const [seven, eight] = await Promise.all([
      this.#one(thirdTurn, { expects: 'tail', maxTokens: 20 }),
      this.#one(otherTurn, { expects: 'tail', maxTokens: 20 }),
      this.#fork([...common, ...this.#tokens(5, 20)]),
      this.#one([...second.slice(0, -3), ...this.#tokens(4, 9)], { expects: 'hit', maxTokens: 25 }),
      this.#one([...secondTurn.slice(0, -1), ...this.#tokens(2, 9)], { expects: 'hit' }),
      this.#one(this.#tokens(10, 120), {
        maxTokens: 20,
        sampling: this.#drawing(),
        stopTokenIds: oneInSix,
      }),
    ]);
    const long = { expects: 'tail', maxTokens: 35 } as const;
    await Promise.all([
      this.#one(this.#turnOf(thirdTurn, seven), long),
      this.#one(this.#turnOf(thirdTurn, seven), { ...long, sampling: this.#drawing() }),
      this.#one(this.#turnOf(otherTurn, eight), long),
      this.#one(this.#turnOf(otherTurn, eight), { ...long, sampling: this.#drawing() }),
      this.#one(this.#turnOf(strangerTurn, six), long),
    ]);
    return { answered: this.#answered, failures: this.#failures };
  }

  /** A chat's next prompt: the one before, its answer, and new tokens. */
  #turnOf(prompt: readonly number[], result: SampleResult | undefined): number[] {
    return [...prompt, ...(result?.tokens ?? []), ...this.#tokens(3, 12)];
  }

  #tokens(min: number, max: number): number[] {
    const length = this.#random.integer(min, max + 1);
    return Array.from({ length }, () => this.#random.integer(0, tinyVocabSize));
  }

  #drawing(): SamplingParams {
    this.#lastSeed += 10n;
    return { ...greedy, temperature: 1, seed: this.#lastSeed };
  }

  /** Draws that depend on all tokens so far: a sequence that comes back must have them counted. */
  #penalized(): SamplingParams {
    return { ...this.#drawing(), presencePenalty: 0.7, repetitionPenalty: 1.3 };
  }

  /** Sends a request and notes its answer; `undefined` when it failed. */
  async #one(prompt: readonly number[], changes: Changes = {}): Promise<SampleResult | undefined> {
    return (await this.#send(prompt, prompt, changes))?.[0];
  }

  async #many(prompt: readonly number[], n: number): Promise<void> {
    await this.#send(prompt, prompt, {
      n,
      sampling: this.#drawing(),
      expects: 'hit',
      maxTokens: 6,
    });
  }

  /** A handle holds blocks: it is released before requests come that need almost the whole pool. */
  async #keepAndContinue(): Promise<void> {
    const kept = this.#tokens(20, 40);
    const before = await this.#one(kept, { keepPrefix: true, maxTokens: 5 });
    if (before === undefined) return;
    const continueFrom = before.finished?.handle ?? 0;
    const added = this.#tokens(1, 8);
    await this.#send([...kept, ...before.tokens, ...added], added, {
      continueFrom,
      expects: 'tail',
    });
    this.engine.core.releaseHandle(continueFrom);
  }

  async #send(
    whole: readonly number[],
    sent: readonly number[],
    { expects = 'nothing', ...changes }: Changes,
  ): Promise<SampleResult[] | undefined> {
    const { sampling = greedy } = changes;
    const run = this.engine.client.run(sent, { maxTokens: 8, ...changes });
    const results = await this.#settle(run);
    for (const [sample, result] of (results ?? []).entries()) {
      const wanted = sample === 0 ? expects : 'nothing';
      const seed = sampling.seed + BigInt(sample);
      const own = { ...sampling, seed };
      this.#answered.push({ expects: wanted, prompt: whole, sampling: own, result });
    }
    return results;
  }

  /** Splits a request when it has three tokens. */
  async #fork(prompt: readonly number[]): Promise<void> {
    const { client, core } = this.engine;
    const id = 1000;
    const from = client.nextId();
    const parent = this.#send(prompt, prompt, { id: from, maxTokens: 20, expects: 'hit' });
    const forked = this.#settle(client.follow(id));
    const sampling = this.#drawing();
    client.afterEvents = () => {
      if (client.samples.get(from)![0].tokens.length < 3) return;
      client.afterEvents = () => {};
      core.fork({ id, from, maxTokens: 10, sampling });
    };
    const [parentResult] = (await parent) ?? [];
    if (parentResult === undefined) return;
    const [result] = (await forked) ?? [];
    if (result === undefined) return;
    const numShared = result.finished!.usage.promptTokens - prompt.length;
    this.#answered.push({
      expects: 'hit',
      prompt: [...prompt, ...parentResult.tokens.slice(0, numShared)],
      sampling,
      result,
    });
  }

  async #settle(run: Promise<SampleResult[]>): Promise<SampleResult[] | undefined> {
    try {
      return await run;
    } catch (error) {
      this.#failures.push(error as EngineError);
      return undefined;
    }
  }
}

/** Rows that the executor ran for a sample. */
export function numRowsOf({ computedTokens, recomputedTokens, decodedTokens }: Usage): number {
  return computedTokens + recomputedTokens + decodedTokens;
}
