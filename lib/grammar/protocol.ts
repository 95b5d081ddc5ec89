import type { ErrorCode } from '../errors.js';
import type { FollowRequest } from './token-masks.js';

/** What the worker is told about one sample; plain data. */
export type MaskCall =
  | { readonly type: 'follow'; readonly id: number; readonly request: FollowRequest }
  | { readonly type: 'accept'; readonly id: number; readonly token: number }
  | { readonly type: 'close'; readonly id: number };

/** A sample's next mask, or why there is none. */
export type MaskAnswer =
  | { readonly id: number; readonly mask: Int32Array }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly message: string } };

/** What the worker starts with. */
export interface GrammarWorkerData {
  /** Of the checkpoint: its tokenizer is read when the first grammar comes. */
  readonly folder: string;
  /** Logits of the model. */
  readonly vocabSize: number;
}
