// What users may do to a loaded model, in any order, through its face: the recall model, compiled.
import { strict as assert } from 'node:assert';
import { type Generation, type Llm, load, type Reply } from '../../dist/index.js';
import { Random, seedOfThisRun } from '../conformance/random.js';

const seed = seedOfThisRun();
const numCommands = process.env.PA_FULL === undefined ? 800 : 8000;
const maxTokens = 24;
const contextLen = 192;
const salts = [undefined, 'north'];

interface Asked {
  readonly generation: Generation;
  readonly prompt: readonly number[];
  readonly options: { readonly temperature: number; readonly seed: number };
  isAborted: boolean;
  readonly ended: Promise<Reply | Error>;
}

/** What happened; each must have. */
const counts = {
  answers: 0,
  hits: 0,
  copies: 0,
  aborted: 0,
  left: 0,
  forks: 0,
  continued: 0,
  refused: 0,
  preemptions: 0,
  pinned: 0,
  closed: 0,
};

/** A model with a small pool, and everybody who uses it. */
class Users {
  readonly #asked: Asked[] = [];
  readonly #replies: Reply[] = [];
  readonly #pins: Array<{ id: number }> = [];

  constructor(
    readonly llm: Llm,
    readonly alone: (asked: Pick<Asked, 'prompt' | 'options'>) => Promise<Reply>,
    readonly random: Random,
  ) {}

  async act(): Promise<void> {
    const { random, llm } = this;
    const kind = random.integer(0, 100);
    if (kind < 38) this.#submit();
    else if (kind < 50) this.#goOn();
    else if (kind < 56) this.#pick(this.#asked, (asked) => this.#abort(asked));
    else if (kind < 62) this.#pick(this.#asked, (asked) => this.#leave(asked));
    else if (kind < 68) this.#pick(this.#asked, (asked) => this.#fork(asked));
    else if (kind < 72) await this.#pin();
    else if (kind < 75) this.#pick(this.#pins.splice(0, 1), (pin) => llm.unpin(pin));
    else if (kind < 77)
      await llm.invalidate(random.pick([{ all: true }, { salt: 'north' }, { tag: 'alpha' }]));
    else await new Promise((resolve) => setTimeout(resolve, random.integer(0, 8)));
  }

  async #pin(): Promise<void> {
    try {
      this.#pins.push(await this.llm.pin({ prompt: this.#prompt() }));
      counts.pinned++;
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'ERR_PIN_BUDGET');
    }
  }

  #pick<T>(list: readonly T[], act: (item: T) => void): void {
    if (list.length > 0) act(this.random.pick(list));
  }

  #prompt(): number[] {
    const base = new Random(this.random.integer(0, 3), 'base');
    const own = new Random(this.random.integer(0, 3), 'own');
    const numShared = this.random.pick([7, 16, 40, 90]);
    return [
      ...Array.from({ length: numShared }, () => base.integer(4, 500)),
      ...Array.from({ length: 3 }, () => own.integer(4, 500)),
    ];
  }

  #submit(): void {
    const { random } = this;
    const prompt = this.#prompt();
    const options = random.pick([
      { temperature: 0, seed: 0 },
      { temperature: 1, seed: 5 },
    ]);
    const cache = random.pick(['auto', 'auto', 'off'] as const);
    const held = cache === 'auto' && random.uniform() < 0.3 ? { tag: 'alpha', retainMs: 30 } : {};
    const salt = random.pick(salts);
    this.#follow(
      prompt,
      options,
      this.llm.generate(prompt, { ...shared, ...options, cache, salt, ...held }),
    );
  }

  #goOn(): void {
    this.#pick(this.#replies, (reply) => {
      const known = this.#asked.find(({ generation }) => generation.tokenIds === reply.tokenIds);
      if (known === undefined || known.prompt.length > 120) return;
      counts.continued++;
      const options = { temperature: 0, seed: 0 };
      const prompt = [...known.prompt, ...reply.tokenIds, 17];
      const { prefix } = reply;
      this.#follow(prompt, options, this.llm.generate([17], { ...shared, ...options, prefix }));
    });
  }

  #abort(asked: Asked): void {
    asked.isAborted = true;
    asked.generation.abort();
  }

  /** Reads one piece and goes; somebody else still waits for the reply, so that nothing ends. */
  async #leave({ generation }: Asked): Promise<void> {
    try {
      for await (const _ of generation.chunks()) break;
      counts.left++;
    } catch {
      // It had been aborted or refused.
    }
  }

  #fork({ generation, prompt, options }: Asked): void {
    counts.forks++;
    this.#follow(prompt, options, this.llm.fork(generation, { seed: options.seed }));
  }

  #follow(prompt: readonly number[], options: Asked['options'], generation: Generation): void {
    const ended = generation.then(
      (reply) => {
        this.#replies.push(reply);
        return reply;
      },
      (error: unknown) => error as Error,
    );
    this.#asked.push({ generation, prompt, options, isAborted: false, ended });
  }

  /** Waits for all; every reply, or what there was of it, is what the request gives alone. */
  async check(): Promise<void> {
    for (const asked of this.#asked) {
      const reply = await asked.ended;
      if (reply instanceof Error || 'code' in reply || 'name' in reply) {
        const { code, name, message } = reply as Error & { code?: string };
        // Pins and held prefixes may have half of the pool.
        const allowed = ['ERR_QUEUE_FULL', 'ERR_REQUEST_NOT_FOUND', 'ERR_OUT_OF_BLOCKS'];
        assert(
          allowed.includes(String(code)) || (name === 'AbortError' && asked.isAborted),
          `${name}: ${message}`,
        );
        counts[name === 'AbortError' ? 'aborted' : 'refused']++;
      } else {
        counts.answers++;
        counts.hits += reply.usage.cachedTokens > 0 ? 1 : 0;
        counts.copies += reply.usage.copiedTokens > 0 ? 1 : 0;
        counts.preemptions += reply.usage.preemptions;
      }
      const alone = await this.alone(asked);
      const { tokenIds, text } = asked.generation;
      assert.deepEqual([...tokenIds], alone.tokenIds.slice(0, tokenIds.length));
      assert(
        alone.text.startsWith(text),
        `${JSON.stringify(text)} of ${JSON.stringify(alone.text)}`,
      );
    }
  }
}

const shared = { maxTokens, ignoreEos: true, digests: true };

describe(`${numCommands} commands through the face (PA_SEED=${seed})`, () => {
  let reference: Llm;
  const known = new Map<string, Promise<Reply>>();

  beforeAll(async () => {
    reference = await load('recall', { threads: 1, contextLen });
  });
  afterAll(() => reference.close());

  async function alone({ prompt, options }: Pick<Asked, 'prompt' | 'options'>): Promise<Reply> {
    const key = JSON.stringify([prompt, options]);
    const asked =
      known.get(key) ??
      reference.generate(prompt, { ...shared, ...options, cache: 'off' }).then((reply) => reply);
    known.set(key, asked);
    return asked;
  }

  test('give each request what it gets alone, and leave nothing behind', async () => {
    const random = new Random(seed, 'face');
    for (let round = 0; round < 4; round++) {
      const llm = await load('recall', {
        contextLen,
        kvCacheBytes: 36_864 * random.integer(13, 20),
        maxSeqs: random.integer(2, 8),
        maxQueue: random.pick([12, 64]),
      });
      const users = new Users(llm, alone, random);
      for (let i = 0; i < numCommands / 4; i++) await users.act();
      await users.check();
      const { numRunning, numWaiting, cache } = llm.stats();
      expect([numRunning, numWaiting, cache.numLive]).toEqual([0, 0, 0]);
      await llm.close(random.pick(['drain', 'abort']));
      counts.closed++;
    }
    console.info(`seed ${seed}: ${JSON.stringify(counts)}`);
    const missing = Object.entries(counts).filter(([, count]) => count === 0);
    expect(missing).toEqual([]);
  }, 600_000);
});
