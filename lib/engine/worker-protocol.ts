import type { EngineStats } from './engine-options.js';
import type { EnginePort } from './engine-port.js';
import type { FailedEvent, ForkMessage, StepOutput, SubmitMessage } from './messages.js';

/** Methods of an engine that give an answer. */
export type EngineMethod = 'pin' | 'unpin' | 'invalidate' | 'explain' | 'blockMap' | 'trace';

/** What an engine's Worker is told; plain data, handled in order. */
export type ToEngine =
  | { readonly type: 'submit'; readonly message: SubmitMessage }
  | { readonly type: 'fork'; readonly message: ForkMessage }
  | { readonly type: 'abort'; readonly id: number }
  | { readonly type: 'release'; readonly handle: number }
  | EngineCall
  | { readonly type: 'close'; readonly mode: 'drain' | 'abort' };

/** A call that waits for its answer. */
export interface EngineCall {
  readonly type: 'call';
  readonly call: number;
  readonly method: EngineMethod;
  /** The method's one argument. */
  readonly argument: unknown;
}

/** What an engine's Worker says. Where `stats` stands, it is how things are after what the message tells. */
export type FromEngine =
  /** How far opening has come, as the Worker's `open` reports it. */
  | { readonly type: 'opening'; readonly news: unknown }
  /** Opening ended, well or not. */
  | { readonly type: 'opened'; readonly opened: unknown; readonly stats: EngineStats }
  | { readonly type: 'refused'; readonly failure: FailedEvent }
  | { readonly type: 'step'; readonly output: StepOutput; readonly stats?: EngineStats }
  | {
      readonly type: 'answer';
      readonly call: number;
      readonly result: unknown;
      readonly stats: EngineStats;
    }
  | { readonly type: 'failure'; readonly call: number; readonly failure: FailedEvent }
  | { readonly type: 'stats'; readonly stats: EngineStats }
  /** The last one: everything is freed. */
  | { readonly type: 'closed'; readonly failure?: FailedEvent };

/** What a method of the engine gives, at the other end. */
export type AnswerOf<M extends EngineMethod> = Awaited<ReturnType<EnginePort[M]>>;
