import type { ChromeTrace, TraceEvent } from '../../lib/engine/index.js';
import { arithmeticEngine, randomFrom, randomTokens } from './harness.js';

const random = randomFrom(11);
const vocabSize = 97;
const promptOf = (length: number): number[] => randomTokens(random, length, vocabSize);
const maxTraceEvents = 10_000;
const requestsPid = 2;

const spansOf = ({ traceEvents }: ChromeTrace) => traceEvents.filter(({ ph }) => ph === 'X');
const stepsOf = (trace: ChromeTrace) => spansOf(trace).filter(({ pid }) => pid === 1);
const named = (trace: ChromeTrace, name: string) =>
  trace.traceEvents.filter((event) => event.name === name && event.pid === requestsPid);
const requestsOf = (trace: ChromeTrace) =>
  spansOf(trace).filter(({ pid, name }) => pid === requestsPid && name.startsWith('request '));
const endOf = ({ ts, dur = 0 }: TraceEvent): number => ts + dur;

/** Spans of a track that lie partly inside one another. */
function overlaps(trace: ChromeTrace): string[] {
  const found: string[] = [];
  for (const [track, spans] of groupByTrack(spansOf(trace))) {
    const open: TraceEvent[] = [];
    for (const span of spans) {
      while (open.length > 0 && endOf(open.at(-1)!) <= span.ts) open.pop();
      const outer = open.at(-1);
      if (outer !== undefined && endOf(outer) < endOf(span)) {
        found.push(`${track}: ${outer.name} ends inside ${span.name}`);
      }
      open.push(span);
    }
  }
  return found;
}

function groupByTrack(spans: readonly TraceEvent[]): Map<string, TraceEvent[]> {
  const groups = new Map<string, TraceEvent[]>();
  for (const span of spans) {
    const track = `${span.pid} ${span.tid}`;
    groups.set(track, [...(groups.get(track) ?? []), span]);
  }
  return groups;
}

const sumOf = (spans: readonly TraceEvent[], key: string): number =>
  spans.reduce((sum, { args }) => sum + (args[key] as number), 0);

/** Preemptions, waiting for others, n samples, a fork and an abort in one run. */
async function busyRun() {
  const engine = arithmeticEngine({
    numBlocks: 22,
    blockSize: 8,
    engine: { maxChunkTokens: 16, maxTraceEvents },
  });
  const { client, core } = engine;
  const shared = promptOf(30);
  const runs = [
    client.run([...shared, ...promptOf(5)], { maxTokens: 25 }),
    client.run([...shared, ...promptOf(7)], { maxTokens: 25 }),
    client.run(promptOf(12), { maxTokens: 30, n: 2 }),
    client.run(promptOf(40), { maxTokens: 20 }),
  ];
  const aborted = client.nextId();
  const abortedRun = client.run(promptOf(50), { id: aborted, maxTokens: 50 });
  for (let i = 0; i < 8; i++) await new Promise(setImmediate);
  core.abort(aborted);
  await Promise.all([...runs, abortedRun]);
  return engine;
}

describe('trace()', () => {
  test('has what the statistics count', async () => {
    const { core } = await busyRun();
    const trace = core.trace();
    const stats = core.stats();
    expect(stats.numPreemptions).toBeGreaterThan(0);
    expect(stats.numCoalesced).toBeGreaterThan(0);
    expect(stepsOf(trace)).toHaveLength(stats.numSteps);
    expect(sumOf(stepsOf(trace), 'numTokens')).toBe(stats.tokensComputed);
    expect(sumOf(stepsOf(trace), 'tokensComputed')).toBe(stats.tokensComputed);
    expect(sumOf(stepsOf(trace), 'blocksCopied')).toBe(stats.blocksCopied);
    expect(named(trace, 'preempted')).toHaveLength(stats.numPreemptions);
    expect(named(trace, 'coalesced')).toHaveLength(stats.numCoalesced);
    expect(trace.otherData.numDropped).toBe(0);
  });

  test('has a span per sample, with how it ended and what it cost', async () => {
    const { core, client } = await busyRun();
    const results = [...client.samples].flatMap(([id, samples]) =>
      samples.map(({ finished }, sample) => {
        const { timings: _, ...usage } = finished!.usage;
        const name = sample === 0 ? `request ${id}` : `request ${id}.${sample}`;
        return { name, args: { reason: finished!.reason, ...usage } };
      }),
    );
    const spans = requestsOf(core.trace()).map(({ name, args }) => ({ name, args }));
    expect(spans).toHaveLength(results.length);
    expect(spans).toEqual(expect.arrayContaining(results));
    expect(spans.map(({ args }) => args.reason)).toContain('abort');
  });

  test('has spans that nest, and is JSON', async () => {
    const { core } = await busyRun();
    const trace = core.trace();
    expect(overlaps(trace)).toEqual([]);
    expect(JSON.parse(JSON.stringify(trace))).toEqual(trace);
    for (const { ts, dur, ph } of trace.traceEvents) {
      expect(Number.isInteger(ts)).toBe(true);
      if (ph === 'X') expect(dur).toBeGreaterThanOrEqual(0);
    }
  });

  test('shows of a prompt the chunks that were run, in order', async () => {
    const { client, core } = arithmeticEngine({
      numBlocks: 64,
      blockSize: 8,
      engine: { maxChunkTokens: 16, maxTraceEvents },
    });
    await client.runOne(promptOf(40), { maxTokens: 3 });
    const trace = core.trace();
    const chunks = named(trace, 'prefill').map(({ args }) => [args.start, args.end]);
    expect(chunks).toEqual([
      [0, 16],
      [16, 32],
      [32, 40],
    ]);
    const kinds = stepsOf(trace).map(({ name }) => name);
    expect(kinds).toEqual(['prefill', 'prefill', 'prefill', 'decode', 'decode']);
    expect(named(trace, 'decode')).toMatchObject([{ args: { outputTokens: 3 } }]);
  });

  test('shows requests that are open, and a step that failed', async () => {
    const { client, core, executor } = arithmeticEngine({
      numBlocks: 64,
      blockSize: 8,
      maxSeqs: 1,
      engine: { maxTraceEvents },
    });
    const failing = client.runOne(promptOf(20));
    const waiting = client.runOne(promptOf(20));
    expect(requestsOf(core.trace()).map(({ args }) => args.reason)).toEqual(['open', 'open']);
    executor.nextFailure = new Error('the device went away');
    await expect(failing).rejects.toThrow('the device went away');
    await waiting;
    const trace = core.trace();
    const reasons = requestsOf(trace).map(({ args }) => args.reason);
    expect(reasons.toSorted()).toEqual(['ERR_STEP_FAILED', 'length']);
    expect(stepsOf(trace)[0].args).toMatchObject({ failed: 'ERR_STEP_FAILED' });
    expect(overlaps(trace)).toEqual([]);
  });

  test('keeps the newest events, and says how many it dropped', async () => {
    const { client, core } = arithmeticEngine({
      numBlocks: 64,
      blockSize: 8,
      engine: { maxTraceEvents: 7 },
    });
    for (let i = 0; i < 5; i++) await client.runOne(promptOf(10), { maxTokens: 4 });
    const trace = core.trace();
    // Per request four steps, a chunk, the times waiting and decoding, and the request itself.
    expect(spansOf(trace)).toHaveLength(7);
    expect(trace.otherData.numDropped).toBe(5 * 8 - 7);
    expect(requestsOf(trace).map(({ name }) => name)).toEqual(['request 5']);
  });

  test('is refused when nothing was recorded, and when told to keep half an event', () => {
    const { core } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    expect(() => core.trace()).toThrow(expect.objectContaining({ code: 'ERR_TRACE_OFF' }));
    const engine = { maxTraceEvents: 0.5 };
    expect(() => arithmeticEngine({ numBlocks: 64, blockSize: 8, engine })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'maxTraceEvents' }),
    );
  });
});
