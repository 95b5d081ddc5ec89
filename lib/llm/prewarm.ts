import type { PrefixTarget } from '../engine/index.js';
import { InvalidArgumentError } from '../errors.js';
import type { Pin } from '../kv/index.js';
import type { TextWorker } from '../text/index.js';
import { type PromptSpec, tokenizeSpec } from './explain.js';
import type { PrewarmOptions } from './options.js';
import type { RequestRunner } from './request-runner.js';
import { checkTag } from './submit-message.js';

/** A prompt that was computed without an answer. */
export interface PrewarmedPrompt {
  readonly numTokens: number;
  /** Tokens that were cached before. */
  readonly cachedTokens: number;
  /** Tokens that were computed now; one, when all were cached. */
  readonly computedTokens: number;
  /** Holds the prompt until `unpin` or for `ttlMs`; `undefined` with `pin: false`. */
  readonly pin: Pin | undefined;
}

/** What a prewarmed prompt goes through. */
export interface PrewarmFloor {
  readonly runner: RequestRunner;
  readonly text: TextWorker;
  /** Throws when the call itself is refused. */
  readonly check: () => void;
  readonly pin: (target: PrefixTarget & { tag?: string; ttlMs?: number }) => Pin | Promise<Pin>;
}

/**
 * Runs a prompt as a request that draws one token, which nobody sees: so its prompt is computed to the end, tail
 * included. A prefix handle holds the blocks from there until the pin does.
 */
export async function prewarm(
  spec: PromptSpec,
  { salt, tag, ttlMs, pin: isPinned = true, maxIdleMs, priority, signal }: PrewarmOptions,
  { runner, text, check, pin }: PrewarmFloor,
): Promise<PrewarmedPrompt> {
  let tokens: Int32Array = new Int32Array(0);
  const greedy = { temperature: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0 };
  const request = { maxTokens: 1, ignoreEos: true, keepPrefix: true, ...greedy };
  const { prefix, usage } = await runner.start(
    { ...request, salt, maxIdleMs, priority, signal },
    async () => {
      check();
      checkTag(tag);
      if (!isPinned && (tag !== undefined || ttlMs !== undefined)) {
        throw new InvalidArgumentError('pin', false, 'true where tag or ttlMs is set');
      }
      ({ tokens } = await tokenizeSpec(spec, text));
      return { tokens, sections: [], messages: [] };
    },
  );
  try {
    const target = { tokens, salt: prefix.salt, tag, ttlMs };
    return {
      numTokens: usage.promptTokens,
      cachedTokens: usage.cachedTokens,
      computedTokens: usage.computedTokens,
      pin: isPinned ? await pin(target) : undefined,
    };
  } finally {
    prefix.dispose();
  }
}
