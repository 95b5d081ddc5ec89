import fc from 'fast-check';
import { EngineError } from '../../lib/errors.js';
import { answerAlone } from './arithmetic-model.js';
import {
  arithmeticEngine,
  greedy,
  randomFrom,
  randomTokens,
  type SampleResult,
} from './harness.js';

/** One thing that a user does; numbers pick from what there is, modulo its size. */
type Action =
  | { do: 'submit'; base: number; shared: number; own: number; maxTokens: number; options: number }
  | { do: 'continue'; which: number; own: number }
  | { do: 'abort'; which: number }
  | { do: 'fork'; which: number }
  | { do: 'release'; which: number }
  | { do: 'unpin'; which: number }
  | { do: 'pin'; base: number; shared: number }
  | { do: 'invalidate'; salt: number }
  | { do: 'fail' }
  | { do: 'pause'; tasks: number };

const small = fc.nat(9);
const actions = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('submit' as const),
        base: fc.nat(2),
        shared: fc.nat(60),
        own: fc.nat(12),
        maxTokens: fc.integer({ min: 1, max: 24 }),
        options: fc.nat(9999),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('continue' as const), which: small, own: small }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constantFrom(
          'abort' as const,
          'fork' as const,
          'release' as const,
          'unpin' as const,
        ),
        which: small,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('pin' as const),
        base: fc.nat(2),
        shared: fc.nat(60),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('invalidate' as const), salt: fc.nat(9) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const) }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('pause' as const), tasks: fc.nat(6) }) },
  ),
  { minLength: 30, maxLength: 90 },
);

const config = fc.record({
  blockSize: fc.constantFrom(8, 16),
  // Enough for the longest sequence (60 + 12 + 24 + a continuation), often for little more.
  numSpareBlocks: fc.nat(12),
  maxSeqs: fc.integer({ min: 1, max: 6 }),
  maxTokensPerStep: fc.constantFrom(8, 32, 512),
  maxChunkTokens: fc.constantFrom(1, 5, 16, 512),
  actions,
});

const vocabSize = 97;
/** End an answer somewhere on its way. */
const stopTokenIds = Array.from({ length: 10 }, (_, i) => 9 * i);
const salts = [undefined, 'north', 'south'];

interface Expected {
  prompt: number[];
  parent?: { prompt: number[]; samples: SampleResult[]; seed: bigint };
  seed: bigint;
  temperature: number;
  hasPenalty: boolean;
  salt: string | undefined;
  isAborted: boolean;
  done: Promise<SampleResult[] | EngineError>;
}

/** What happened over all runs: each kind of event must have. */
const seen = {
  preemptions: 0,
  partialHits: 0,
  hits: 0,
  forks: 0,
  coalesced: 0,
  recomputed: 0,
  stepsAhead: 0,
  wasted: 0,
  stops: 0,
  failures: 0,
};

/** Performs actions on an engine and remembers what must come of them. */
class Traffic {
  readonly engine;
  readonly requests = new Map<number, Expected>();
  readonly handles: Array<{ id: number; tokens: number[]; salt: string | undefined }> = [];
  readonly pins: number[] = [];
  readonly #bases = [0, 1, 2].map((i) => randomTokens(randomFrom(i), 60, vocabSize));
  readonly #random = randomFrom(99);

  constructor(readonly options: typeof config extends fc.Arbitrary<infer T> ? T : never) {
    const { blockSize, numSpareBlocks, maxSeqs, maxTokensPerStep, maxChunkTokens } = options;
    this.engine = arithmeticEngine({
      numBlocks: Math.ceil(160 / blockSize) + 1 + numSpareBlocks,
      blockSize,
      maxSeqs,
      vocabSize,
      contextLen: 160,
      engine: { maxTokensPerStep: Math.max(maxTokensPerStep, maxSeqs), maxChunkTokens },
    });
  }

  async perform(action: Action): Promise<void> {
    const { core } = this.engine;
    if (action.do === 'submit') this.#submit(action);
    else if (action.do === 'continue') this.#continue(action);
    else if (action.do === 'abort') this.#abort(action.which);
    else if (action.do === 'fork') this.#fork(action.which);
    else if (action.do === 'pin') this.#pin(this.#bases[action.base].slice(0, action.shared));
    else if (action.do === 'unpin') core.unpin(this.pins.splice(action.which, 1)[0] ?? 0);
    else if (action.do === 'release')
      core.releaseHandle(this.handles.splice(action.which, 1)[0]?.id ?? 0);
    else if (action.do === 'invalidate') this.#invalidate(action.salt);
    else if (action.do === 'fail') this.#failNextStep();
    else for (let i = 0; i < action.tasks; i++) await new Promise(setImmediate);
    core.checkInvariants();
  }

  #submit({ base, shared, own, maxTokens, options }: Action & { do: 'submit' }): void {
    const prompt = [
      ...this.#bases[base].slice(0, shared),
      ...randomTokens(this.#random, own + (shared === 0 ? 1 : 0), vocabSize),
    ];
    this.#run(prompt, prompt, maxTokens, options);
  }

  #run(
    whole: number[],
    sent: number[],
    maxTokens: number,
    options: number,
    continueFrom?: number,
  ): void {
    const pick = <T>(choices: readonly T[], divisor: number): T =>
      choices[Math.floor(options / divisor) % choices.length];
    const n = Math.min(pick([1, 1, 1, 3], 1), this.options.maxSeqs);
    const hasPenalty = pick([false, true], 4);
    const temperature = pick([0, 1], 8);
    const cache = pick(['auto', 'auto', 'auto', 'off', { upToTokens: 20 }] as const, 16);
    const salt = pick(salts, 80);
    const keepPrefix = pick([false, true], 240) && cache !== 'off';
    const priority = pick([0, 0, 1], 480);
    const { client, core } = this.engine;
    const id = client.nextId();
    const sampling = {
      ...greedy,
      temperature,
      seed: BigInt(id),
      presencePenalty: hasPenalty ? 1 : 0,
    };
    const done = settle(client.follow(id, n));
    this.requests.set(id, {
      prompt: whole,
      seed: BigInt(id),
      temperature,
      hasPenalty,
      salt,
      isAborted: false,
      done,
    });
    const promptTokens = Int32Array.from(sent);
    core.submit({
      id,
      promptTokens,
      maxTokens,
      n,
      sampling,
      stopTokenIds: pick([[], stopTokenIds], 960),
      wantDigests: true,
      salt,
      cache,
      keepPrefix,
      priority,
      ...(continueFrom === undefined ? {} : { continueFrom }),
    });
    if (keepPrefix) void done.then((samples) => this.#keepHandles(samples, whole, salt));
  }

  #keepHandles(
    samples: SampleResult[] | EngineError,
    prompt: number[],
    salt: string | undefined,
  ): void {
    if (!Array.isArray(samples)) return;
    for (const { finished, tokens } of samples) {
      if (finished?.handle === undefined) continue;
      const drawn = finished.stopTokenId === undefined ? tokens : [...tokens, finished.stopTokenId];
      this.handles.push({ id: finished.handle, tokens: [...prompt, ...drawn], salt });
    }
  }

  #continue({ which, own }: Action & { do: 'continue' }): void {
    const handle = this.handles[which];
    if (handle === undefined || handle.tokens.length > 100) return;
    const added = randomTokens(this.#random, own, vocabSize);
    const options = 80 * salts.indexOf(handle.salt);
    this.#run([...handle.tokens, ...added], added, 5, options, handle.id);
  }

  #abort(which: number): void {
    const [id, request] = [...this.requests].at(-1 - which) ?? [];
    if (id === undefined || request === undefined) return;
    request.isAborted = true;
    this.engine.core.abort(id);
  }

  #fork(which: number): void {
    const { client, core } = this.engine;
    const [from, parent] = [...this.requests].at(-1 - which) ?? [];
    if (from === undefined || parent === undefined || parent.parent !== undefined) return;
    const id = client.nextId();
    const samples = client.samples.get(from) as SampleResult[];
    const done = settle(client.follow(id));
    const fork = {
      ...parent,
      prompt: [],
      parent: { prompt: parent.prompt, samples, seed: parent.seed },
    };
    this.requests.set(id, { ...fork, isAborted: false, done });
    core.fork({ id, from });
  }

  #failNextStep(): void {
    const { executor, core } = this.engine;
    if (core.stats().numRunning === 0) return;
    executor.nextFailure = new EngineError('ERR_OUT_OF_MEMORY', 'no room for activations');
    seen.failures++;
  }

  #pin(tokens: number[]): void {
    try {
      this.pins.push(this.engine.core.pin({ tokens: Int32Array.from(tokens) }).id);
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_PIN_BUDGET' });
    }
  }

  #invalidate(which: number): void {
    const salt = salts[which];
    if (salt !== undefined) this.engine.core.invalidate({ salt });
    else if (which > 7) this.engine.core.invalidate({ all: true });
  }
}

function settle(done: Promise<SampleResult[]>): Promise<SampleResult[] | EngineError> {
  return done.catch((error: EngineError) => error);
}

/** Each answer, whole or cut short by an abort, is what the same request gives alone. */
async function checkAnswers(traffic: Traffic): Promise<number> {
  let numRows = 0;
  for (const request of traffic.requests.values()) {
    const samples = await request.done;
    if (!Array.isArray(samples)) {
      const isFork = request.parent !== undefined;
      const codes = [
        'ERR_OUT_OF_BLOCKS',
        'ERR_OUT_OF_MEMORY',
        ...(isFork ? ['ERR_REQUEST_NOT_FOUND', 'ERR_INVALID_ARGUMENT'] : []),
      ];
      expect(codes).toContain(samples.code);
      continue;
    }
    for (const [sample, result] of samples.entries()) {
      const { usage, reason } = result.finished!;
      if (reason !== 'abort' && sample === 0) {
        expect(usage.promptTokens).toBe(usage.cachedTokens + usage.computedTokens);
      }
      expect(reason === 'abort').toBe(request.isAborted && reason === 'abort');
      expect(result.tokens).toHaveLength(usage.outputTokens - (reason === 'stop' ? 1 : 0));
      numRows += usage.computedTokens + usage.recomputedTokens + usage.decodedTokens;
      checkAnswer(request, result, sample);
      note(usage);
    }
  }
  return numRows;
}

function checkAnswer(
  request: Expected,
  { tokens, digests, finished }: SampleResult,
  sample: number,
): void {
  const { parent } = request;
  let { prompt } = request;
  if (parent !== undefined) {
    const numShared = finished!.usage.promptTokens - parent.prompt.length;
    prompt = [...parent.prompt, ...parent.samples[0].tokens.slice(0, numShared)];
    seen.forks++;
  }
  const { temperature, hasPenalty, seed } = request;
  const draw = { temperature, hasPenalty, seed: seed + BigInt(sample) };
  const expected = answerAlone(prompt, tokens.length, vocabSize, draw);
  if (tokens.length > 0) expect({ tokens, digests }).toEqual(expected);
  if (finished!.reason !== 'stop') return;
  seen.stops++;
  const withStop = answerAlone(prompt, tokens.length + 1, vocabSize, draw).tokens;
  expect(withStop.at(-1)).toBe(finished!.stopTokenId);
}

function note(usage: {
  cachedTokens: number;
  copiedTokens: number;
  preemptions: number;
  recomputedTokens: number;
}): void {
  seen.hits += usage.cachedTokens > 0 ? 1 : 0;
  seen.partialHits += usage.copiedTokens > 0 ? 1 : 0;
  seen.preemptions += usage.preemptions;
  seen.recomputed += usage.recomputedTokens;
}

describe('random traffic', () => {
  test('gives each request the answer that it gets alone, and loses no block', async () => {
    const property = fc.asyncProperty(config, async (options) => {
      const traffic = new Traffic(options);
      const { core, executor } = traffic.engine;
      for (const action of options.actions) await traffic.perform(action);
      const numRows = await checkAnswers(traffic);
      const stats = core.stats();
      seen.coalesced += stats.numCoalesced;
      seen.stepsAhead += stats.numStepsAhead;
      seen.wasted += stats.tokensWasted;
      expect(stats).toMatchObject({ numRunning: 0, numWaiting: 0, cache: { numLive: 0 } });
      expect(stats.tokensComputed).toBeGreaterThanOrEqual(numRows + stats.tokensWasted);
      await core.close();
      expect(executor.isClosed).toBe(true);
    });
    await fc.assert(property, { numRuns: process.env.PA_FULL === undefined ? 40 : 1000 });
    for (const [kind, count] of Object.entries(seen)) {
      expect(`${kind} ${count < 2 ? count : 'happened'}`).toBe(`${kind} happened`);
    }
  }, 3_600_000);
});
