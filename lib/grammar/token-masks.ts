import type { EngineError } from '../errors.js';

/** What an output must be; plain data, so that it travels with a request. */
export interface GrammarSpec {
  /** A JSON schema, any JSON object, a regular expression, or a grammar in XGrammar's EBNF. */
  readonly kind: 'schema' | 'json' | 'regex' | 'ebnf';
  /** The schema as JSON, the pattern, or the rules; empty for `json`. */
  readonly source: string;
}

/** One sample of a request, as a grammar follows it. */
export interface FollowRequest {
  readonly grammar: GrammarSpec;
  /** Ids that may be drawn exactly where the grammar may end. */
  readonly stopTokenIds: readonly number[];
  /** Tokens that the sample has drawn already. */
  readonly tokens: readonly number[];
}

/**
 * The masks of one sample, one for each token that it draws. A mask is `[ceil(vocabSize / 32)]`, bit `id % 32` of
 * word `id / 32`: the token may be drawn.
 */
export interface TokenMasks {
  /** Whether the mask of the next token is there. */
  readonly isReady: boolean;
  /** Why there will be none. */
  readonly error: EngineError | undefined;
  /** Gives the mask of the next token. It stays until `accept`: a draw that does not count is drawn again. */
  take(): Int32Array;
  /** Notes a token that was drawn; its mask's successor is on its way. */
  accept(token: number): void;
  /** The masks of another sample that has drawn the same tokens. */
  fork(): TokenMasks;
  /** Stops following the sample; no mask comes any more. */
  close(): void;
}

/** Gives masks beside the engine, so that no thread waits for one. */
export interface MaskSource {
  /**
   * Starts to follow a sample.
   *
   * @param onChange called when a mask, or an error, has come; never from inside a call
   */
  follow(request: FollowRequest, onChange: () => void): TokenMasks;
}
