export type { FollowRequest, GrammarSpec, MaskSource, TokenMasks } from '../grammar/index.js';
export { DeviceExecutor, type DeviceExecutorOptions } from './device-executor.js';
export { EngineCore } from './engine-core.js';
export type { EngineCoreOptions, EngineStats, PrefixTarget } from './engine-options.js';
export type { Awaitable, EnginePort, PinTarget } from './engine-port.js';
export { type ServedEngine, serveEngine } from './engine-server.js';
export {
  type Executor,
  type ExecutorLimits,
  maxTopLogprobs,
  type SlotParams,
  type StepBatch,
  type StepCounters,
  type StepOutcome,
} from './executor.js';
export { errorOf, failureOf } from './failure.js';
export type {
  CachePolicy,
  EngineEvent,
  FailedEvent,
  FinishedEvent,
  ForkedEvent,
  ForkMessage,
  SamplingParams,
  StepOutput,
  SubmitMessage,
  Timings,
  TokenLogprobs,
  TokensEvent,
  Usage,
} from './messages.js';
export { RemoteEngine, type RemoteOpenOptions } from './remote-engine.js';
export type { ChromeTrace, TraceEvent } from './trace-ring.js';
export type { ModelLimits } from './validation.js';
