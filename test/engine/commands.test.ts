// What users may do to an engine, in any order: model-based, on the recall model.
import fc from 'fast-check';
import { seedOfThisRun } from '../conformance/random.js';
import {
  type Counts,
  emptyCounts,
  type History,
  maxOutputTokens,
  salts,
  tags,
  Users,
  type Wish,
} from './command-model.js';
import { type EngineSize, RecallEngines } from './recall-engines.js';
import { ReferenceAnswers } from './reference-answers.js';

type Command = fc.AsyncCommand<History, Users>;

const seed = seedOfThisRun();
/** Commands of one run; `PA_COMMANDS` asks for another number: the sanitized run is shorter. */
const numCommands = Number(process.env.PA_COMMANDS ?? 2000);
const numRuns = process.env.PA_FULL === undefined ? 1 : 20;

const size: fc.Arbitrary<EngineSize> = fc.record({
  blockSize: fc.constantFrom(8, 16),
  // The longest sequence has less than 200 tokens: a few fit, or hardly one.
  poolTokens: fc.integer({ min: 208, max: 640 }),
  maxSeqs: fc.integer({ min: 2, max: 8 }),
  maxTokensPerStep: fc.constantFrom(24, 64, 512),
  maxChunkTokens: fc.constantFrom(5, 16, 512),
  maxQueue: fc.constantFrom(8, 1024, 1024),
  maxSeqsPerSalt: fc.constantFrom(undefined, undefined, undefined, undefined, 1, 2),
  priorityAgeingMs: fc.constantFrom(undefined, 20, Number.POSITIVE_INFINITY),
  // None, so that preemptions happen, and the default.
  admissionReserve: fc.constantFrom(0, 0, 0, 1),
});

const wish: fc.Arbitrary<Wish> = fc.record({
  base: fc.nat(2),
  sharedLen: fc.constantFrom(8, 13, 31, 48, 61, 96),
  ownLen: fc.constantFrom(1, 2, 9),
  maxTokens: fc.integer({ min: 1, max: maxOutputTokens }),
  n: fc.constantFrom(1, 1, 1, 1, 1, 3),
  isDrawn: fc.boolean(),
  cache: fc.constantFrom('auto', 'auto', 'auto', 'auto', 'off', 'part'),
  salt: fc.constantFrom(0, 0, 1),
  keepPrefix: fc.constantFrom(false, false, false, true),
  priority: fc.constantFrom(0, 0, 1),
  tag: fc.constantFrom(undefined, undefined, 0, 1),
});

/** A command that looks at every invariant when it is done. */
function command(text: string, act: (users: Users) => unknown): Command {
  return {
    check: () => true,
    run: async ({ done }, users) => {
      done.push(text);
      await act(users);
      users.check();
    },
    toString: () => text,
  };
}

const show = (name: string, ...values: unknown[]): string =>
  `${name}(${values.map((value) => fc.stringify(value)).join(', ')})`;

const tasks = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
};

const invalidateTarget = fc.constantFrom<{ tag: string } | { salt: string } | { all: true }>(
  ...tags.map((tag) => ({ tag })),
  { salt: salts[1] },
  { all: true },
);

const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 40,
    arbitrary: wish.map((w) => command(show('submit', w), (users) => users.submit(w))),
  },
  {
    weight: 5,
    arbitrary: fc
      .tuple(fc.nat(9), wish)
      .map(([i, w]) => command(show('goOn', i, w), (users) => users.goOn(i, w))),
  },
  {
    weight: 10,
    arbitrary: fc.nat(5).map((i) => command(show('abort', i), (users) => users.abort(i))),
  },
  {
    weight: 8,
    arbitrary: fc.nat(3).map((i) => command(show('fork', i), (users) => users.fork(i))),
  },
  {
    weight: 5,
    arbitrary: fc.nat(9).map((i) => command(show('release', i), (users) => users.release(i))),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.nat(2), fc.nat(96), fc.nat(1))
      .map(([b, l, t]) => command(show('pin', b, l, t), (users) => users.pin(b, l, t))),
  },
  {
    weight: 5,
    arbitrary: fc.nat(9).map((i) => command(show('unpin', i), (users) => users.unpin(i))),
  },
  {
    weight: 2,
    arbitrary: invalidateTarget.map((target) =>
      command(show('invalidate', target), (users) => users.invalidate(target)),
    ),
  },
  {
    weight: 10,
    arbitrary: fc.nat(3).map((n) => command(show('tasks', n), () => tasks(n))),
  },
  {
    weight: 30,
    arbitrary: fc.nat(12).map((n) => command(show('steps', n), (users) => users.steps(n))),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('drain' as const, 'abort' as const), size)
      .map(([mode, s]) => command(show('reopen', mode, s), (users) => users.reopen(mode, s))),
  },
);

describe(`${numCommands} commands on the recall model (PA_SEED=${seed})`, () => {
  let engines: RecallEngines;
  let references: ReferenceAnswers;

  beforeAll(async () => {
    engines = await RecallEngines.open();
    references = await ReferenceAnswers.open('models/recall');
  });
  afterAll(async () => {
    await references.close();
    await engines.close();
  });

  test('answer as each request alone, and every block is free or cached at the end', async () => {
    const total: Counts = emptyCounts();
    const commands = fc.array(anyCommand, {
      minLength: numCommands,
      maxLength: numCommands,
      size: 'max',
    });
    const property = fc.asyncProperty(size, commands, async (firstSize, all) => {
      const users = new Users(engines, references, firstSize);
      const done: string[] = [];
      try {
        await fc.asyncModelRun(() => ({ model: { done }, real: users }), all);
        await users.close('drain');
      } catch (error) {
        const last = done.slice(-20).join('\n');
        throw new Error(`command ${done.length} of ${numCommands}, the last ones:\n${last}`, {
          cause: error,
        });
      }
      for (const kind of Object.keys(total) as Array<keyof Counts>) {
        total[kind] += users.counts[kind];
      }
    });
    // Not `assert`, whose message has all commands of the run in it.
    const { errorInstance } = await fc.check(property, { seed, numRuns, endOnFailure: true });
    if (errorInstance !== undefined && errorInstance !== null) throw errorInstance;
    console.info(`${numRuns} x ${numCommands} commands, seed ${seed}: ${JSON.stringify(total)}`);
    const missing = Object.entries(total).filter(([, count]) => count === 0);
    expect(numCommands < 1000 ? [] : missing).toEqual([]);
  }, 3_600_000);
});
