import { EngineError, InvalidArgumentError } from '../errors.js';

/** A KV cache that holds eight full contexts is enough to start with, however much memory there is. */
const maxDefaultContexts = 8;
/** Share of the free memory that the cache takes by itself. */
const defaultFreeFraction = 0.25;
/** A GPU's memory is there for this: the rest is for the driver, graphs and workspaces. */
const gpuFreeFraction = 0.9;
/** Slots are 32-bit numbers. */
const maxSlots = 2 ** 31 - 1;

export interface KvBudgetOptions {
  readonly kvCacheBytes: number | undefined;
  readonly blockBytes: number;
  readonly blockSize: number;
  /** Longest sequence, in tokens. */
  readonly contextLen: number;
  /** Memory that this process may still take; asked for only when `kvCacheBytes` is absent. */
  readonly freeBytes: () => number;
  /** Whether that is a GPU's, of which the cache takes nearly all. */
  readonly isGpu?: boolean;
}

/**
 * How many blocks the KV cache has, the null block included.
 *
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` when `kvCacheBytes` is no positive number, or has more slots than
 *   32 bits count
 * @throws {EngineError} `ERR_POOL_TOO_SMALL` when one full context does not fit
 */
export function numKvBlocks(options: KvBudgetOptions): number {
  const { blockBytes, blockSize, contextLen } = options;
  const numPerContext = Math.ceil(contextLen / blockSize);
  const bytes = options.kvCacheBytes ?? defaultBytes(options, numPerContext);
  if (!Number.isFinite(bytes) || bytes <= 0) {
    throw new InvalidArgumentError('kvCacheBytes', bytes, 'a number of bytes > 0');
  }
  const numBlocks = Math.floor(bytes / blockBytes);
  const maxBlocks = Math.floor(maxSlots / blockSize);
  if (numBlocks > maxBlocks) {
    const limit = `at most ${maxBlocks * blockBytes}, ${maxBlocks} blocks of ${blockSize} tokens`;
    throw new InvalidArgumentError('kvCacheBytes', bytes, limit);
  }
  if (numBlocks > numPerContext) return numBlocks;
  const needed = (numPerContext + 1) * blockBytes;
  throw new EngineError(
    'ERR_POOL_TOO_SMALL',
    `${Math.floor(bytes)} bytes hold ${numBlocks} KV blocks of ${blockSize} tokens; ` +
      `a context of ${contextLen} tokens needs ${numPerContext + 1} blocks, ${needed} bytes`,
    { hint: 'Raise kvCacheBytes, or lower contextLen.' },
  );
}

function defaultBytes(options: KvBudgetOptions, numPerContext: number): number {
  const { freeBytes, blockBytes, blockSize, isGpu = false } = options;
  if (isGpu) {
    const most = Math.floor(maxSlots / blockSize) * blockBytes;
    return Math.min(most, freeBytes() * gpuFreeFraction);
  }
  const most = (maxDefaultContexts * numPerContext + 1) * blockBytes;
  return Math.min(most, freeBytes() * defaultFreeFraction);
}
