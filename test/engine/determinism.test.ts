// The same requests in any order, in any batches, in any pool: the same texts and the same logits.
import { readTokenizerFiles, TextCore } from '../../lib/text/index.js';
import { Random, seedOfThisRun } from '../conformance/random.js';
import { type Client, greedy } from './harness.js';
import { type EngineSize, RecallEngines } from './recall-engines.js';
import type { Answer } from './reference-answers.js';
import { ReferenceAnswers } from './reference-answers.js';

const seed = seedOfThisRun();
const numRequests = 64;
const numOrders = process.env.PA_FULL === undefined ? 20 : 200;
const vocabSize = 500;

interface Asked {
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  readonly sampling: typeof greedy;
}

/** Prompts that share beginnings of every length, and are drawn in every way. */
function makeRequests(): Asked[] {
  const random = new Random(5, 'determinism');
  const tokens = (length: number) => Array.from({ length }, () => random.integer(4, vocabSize));
  const bases = [tokens(80), tokens(50), tokens(24)];
  return Array.from({ length: numRequests }, (_, i) => {
    const base = bases[i % 4] ?? [];
    const shared = base.slice(0, random.integer(0, base.length + 1));
    const drawn = { ...greedy, temperature: 0.8, topP: 0.95, seed: BigInt(i) };
    const penalized = { ...drawn, presencePenalty: 0.6, repetitionPenalty: 1.2 };
    return {
      prompt: [...shared, ...tokens(random.integer(1, 40))],
      maxTokens: random.integer(4, 25),
      sampling: random.pick([greedy, drawn, penalized]),
    };
  });
}

function makeSize(random: Random): EngineSize {
  return {
    blockSize: random.pick([8, 16, 32]),
    poolTokens: random.pick([160, 192, 320, 8192]),
    maxSeqs: random.pick([1, 2, 5, 16]),
    maxTokensPerStep: random.pick([16, 48, 512]),
    maxChunkTokens: random.pick([7, 32, 512]),
  };
}

const totals = { hits: 0, partialHits: 0, blocksCopied: 0, preemptions: 0, coalesced: 0 };

async function answersInOrder(engines: RecallEngines, requests: readonly Asked[], random: Random) {
  const engine = engines.engine(makeSize(random));
  const { core } = engine;
  const pending: Array<Promise<Answer>> = new Array(requests.length);
  for (const index of random.shuffle([...requests.keys()])) {
    pending[index] = ask(engine.client, requests[index]);
    // Some arrive together, some while others run.
    while (random.uniform() < 0.4) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const answers = await Promise.all(pending);
  const stats = core.stats();
  totals.preemptions += stats.numPreemptions;
  totals.coalesced += stats.numCoalesced;
  totals.blocksCopied += stats.blocksCopied;
  await core.close();
  if (engine.violation !== undefined) throw engine.violation;
  return answers;
}

async function ask(client: Client, { prompt, maxTokens, sampling }: Asked): Promise<Answer> {
  const { tokens, digests, finished } = await client.runOne(prompt, { maxTokens, sampling });
  totals.hits += finished!.usage.cachedTokens > 0 ? 1 : 0;
  totals.partialHits += finished!.usage.copiedTokens > 0 ? 1 : 0;
  return { tokens, digests };
}

describe(`${numRequests} requests in ${numOrders} orders of arrival (PA_SEED=${seed})`, () => {
  const requests = makeRequests();
  let engines: RecallEngines;
  let alone: Answer[];
  let textsOf: (answers: readonly Answer[]) => Promise<readonly string[]>;

  beforeAll(async () => {
    engines = await RecallEngines.open();
    const text = new TextCore(await readTokenizerFiles('models/recall'));
    textsOf = (answers) => text.decodeBatch(answers.map(({ tokens }) => [...tokens]));
    const references = await ReferenceAnswers.open('models/recall');
    alone = [];
    for (const { prompt, maxTokens, sampling } of requests) {
      const { tokens, digests } = await references.get(prompt, maxTokens, sampling);
      alone.push({ tokens, digests });
    }
    await references.close();
  });
  afterAll(() => engines.close());

  test.each(Array.from({ length: numOrders }, (_, i) => i))(
    'order %i gives every request the logits and the text that it gets alone',
    async (i) => {
      const random = new Random(seed, `order ${i}`);
      const answers = await answersInOrder(engines, requests, random);
      expect(answers).toEqual(alone);
      expect(await textsOf(answers)).toEqual(await textsOf(alone));
    },
  );

  test('and hits, copies, preemptions and waiting for one another have happened', () => {
    console.info(`${numOrders} orders, seed ${seed}: ${JSON.stringify(totals)}`);
    for (const [kind, count] of Object.entries(totals)) {
      expect(`${kind} ${count < 5 ? count : 'happened'}`).toBe(`${kind} happened`);
    }
  });
});
