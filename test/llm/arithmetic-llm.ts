import type { EnginePort } from '../../dist/engine/index.js';
import type { EngineStats } from '../../dist/index.js';
import { Llm, type LlmInfo } from '../../dist/llm/llm.js';
import { TextWorker } from '../../dist/text/index.js';
import { vocabSize, writeTokenizer } from '../text/tiny-tokenizer.js';
import { type ArithmeticEngineOptions, openSharedRemoteEngine } from './arithmetic-engine.js';
import { inWorker } from './engine-thread.js';
import { makeTurningEngine } from './turning-engine.js';

/** `<|end|>` of the tiny tokenizer. */
export const endTokenId = vocabSize() - 5;

export interface ArithmeticLlmOptions {
  numBlocks?: number;
  blockSize?: number;
  contextLen?: number;
  maxSeqs?: number;
  maxQueue?: number;
  salt?: string;
  folder?: string;
}

const opened: Llm[] = [];

/**
 * The whole face, compiled, over the arithmetic model: real text worker, tokenizer and engine; only the arithmetic of
 * the device is replaced by hashes, which see any wrong slot as well.
 */
export async function openArithmeticLlm(options: ArithmeticLlmOptions = {}): Promise<Llm> {
  const { numBlocks = 65, blockSize = 8, contextLen = 512, maxSeqs = 8 } = options;
  const engine: ArithmeticEngineOptions = {
    executor: { numBlocks, blockSize, maxSeqs, maxTokens: 128, vocabSize: vocabSize() },
    model: { vocabSize: vocabSize(), contextLen, eosTokenIds: [endTokenId] },
    kv: { numBlocks, blockSize },
    maxQueue: options.maxQueue,
  };
  const core = inWorker() ? await openSharedRemoteEngine(engine) : makeTurningEngine(engine);
  const llm = await makeLlm(core, { ...options, contextLen, blockSize });
  opened.push(llm);
  return llm;
}

/** The face over an engine; with the tiny tokenizer unless there is another in `folder`. */
export async function makeLlm(
  core: EnginePort,
  { contextLen, blockSize, salt, folder = writeTokenizer() }: ArithmeticLlmOptions,
): Promise<Llm> {
  const text = await TextWorker.start({ folder });
  const sampling = {
    temperature: 0,
    topK: 0,
    topP: 1,
    minP: 0,
    repetitionPenalty: 1,
    presencePenalty: 0,
    frequencyPenalty: 0,
  };
  const info = { contextLen, blockSize } as LlmInfo;
  const defaults = { sampling, salt, contextLen: info.contextLen };
  return new Llm({ core, text, defaults, info, free: async () => {} });
}

/** Closes every model of the test and shows that none of their blocks was still taken. */
export async function closeAll(): Promise<void> {
  for (const llm of opened.splice(0)) {
    let stats: ReturnType<Llm['stats']> | undefined;
    try {
      stats = await freshStats(llm);
    } catch {
      // The test closed it.
    }
    await llm.close('abort');
    if (stats && stats.numRunning + stats.numWaiting === 0) expect(stats.cache.numLive).toBe(0);
  }
}

/** The statistics after all that was asked of the engine so far; in a Worker they come with its next answer. */
export async function freshStats(llm: Llm): Promise<EngineStats> {
  await llm.blockMap({ maxBlocks: 1 });
  return llm.stats();
}

/** Gathers what an iteration gives until it ends or throws. */
export async function collect<T>(
  source: AsyncIterable<T>,
): Promise<{ items: T[]; error?: unknown }> {
  const items: T[] = [];
  try {
    for await (const item of source) items.push(item);
    return { items };
  } catch (error) {
    return { items, error };
  }
}
