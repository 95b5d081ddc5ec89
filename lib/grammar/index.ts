export { GrammarWorker, type GrammarWorkerOptions } from './grammar-worker.js';
export type { FollowRequest, GrammarSpec, MaskSource, TokenMasks } from './token-masks.js';
