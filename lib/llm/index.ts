export type { Explanation, PromptSpec } from './explain.js';
export { Generation } from './generation.js';
export { type Fit, type Inspection, inspect } from './inspect.js';
export { Llm, type LlmInfo, type PinnedPrompt } from './llm.js';
export { load } from './load.js';
export type {
  CacheOption,
  ChatOptions,
  ForkOptions,
  GenerateOptions,
  InspectOptions,
  LoadOptions,
  PinPromptOptions,
  PrewarmOptions,
} from './options.js';
export { Prefix } from './prefix.js';
export type { PrewarmedPrompt } from './prewarm.js';
export type { Choice, Chunk, FinishReason, Reply, Timings, Usage } from './reply.js';
export type {
  JsonSchema,
  ResponseFormat,
  StandardIssue,
  StandardResult,
  StandardSchema,
} from './response-format.js';
export type { FunctionCall, ReplyPart, ToolFormat } from './tool-calls.js';
