/** The face of the package: load a model, chat with it, see what the cache saved. */
export type { ChromeTrace, EngineStats, TokenLogprobs, TraceEvent } from './engine/index.js';
export {
  EngineError,
  type EngineErrorOptions,
  type ErrorCode,
  errorCodes,
  InvalidArgumentError,
  OutOfBlocksError,
  PinBudgetError,
  QueueFullError,
  type QueueLimit,
} from './errors.js';
export type { DownloadProgress } from './hub/index.js';
export {
  BlockAllocator,
  type BlockInfo,
  type BlockMap,
  type BlockMapRange,
  type CacheStats,
  type InvalidateTarget,
  type Pin,
  PrefixCache,
} from './kv/index.js';
export * from './llm/index.js';
export type { LoadProgress } from './model/index.js';
export type { ChatMessage, ChatRole, ChatTool, TextPart, ToolCall } from './text/index.js';
