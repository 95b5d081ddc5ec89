import { hash } from 'node:crypto';
import { InvalidArgumentError } from '../errors.js';
import { checkBlockSize } from './block-allocator.js';
import { CborWriter } from './cbor.js';
import { canonicalExtraKeys, type ExtraKeys, extraKeysOfBlock } from './extra-keys.js';

/** Bytes of a digest (SHA-256). */
export const digestBytes = 32;

const rootText = 'vllm-none-hash';

const writer = new CborWriter();

/** Digest that a prompt's first block has for its parent: SHA-256 of a CBOR text. */
export const rootDigest: Uint8Array = hashRoot();

/** What a block's digest is made of, beside its parent's digest. */
export interface BlockContent {
  /** The block's tokens are `tokens[start, end)`. */
  readonly tokens: Int32Array;
  readonly start: number;
  readonly end: number;
  readonly extraKeys: ExtraKeys | null;
}

/**
 * The identity of a full block: SHA-256 of canonical CBOR `[parentDigest, [token, …], extraKeys]`.
 *
 * Equal to vLLM's `sha256_cbor` for blocks without extra keys.
 *
 * @returns `[digestBytes]`, owned by the caller
 */
export function hashBlock(parentDigest: Uint8Array, content: BlockContent): Uint8Array {
  writer.reset();
  writer.writeArrayHead(3);
  writer.writeBytes(parentDigest);
  writer.writeTokens(content.tokens, content.start, content.end);
  writeExtraKeys(content.extraKeys);
  return hash('sha256', writer.getBytes(), 'buffer');
}

/**
 * The digests of a prompt's full blocks, in order; tokens behind the last full block are left out.
 *
 * @param tokens token ids from position 0
 * @param options.blockSize tokens per block, a power of two from 8 to 256; default 16
 * @param options.extraKeys typed keys: the salt enters the first block, a lora every block
 * @returns one digest of 32 bytes per full block
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for another block size, keys of unknown
 *   kind, or tokens that are not an Int32Array
 */
export function hashBlocks(
  tokens: Int32Array,
  options: { readonly blockSize?: number; readonly extraKeys?: ExtraKeys | null } = {},
): Uint8Array[] {
  const { blockSize = 16 } = options;
  checkBlockSize(blockSize);
  checkTokens(tokens);
  const requestKeys = canonicalExtraKeys(options.extraKeys);
  const laterKeys = extraKeysOfBlock(requestKeys, false);
  const digests: Uint8Array[] = [];
  let parentDigest = rootDigest;
  for (let end = blockSize; end <= tokens.length; end += blockSize) {
    const start = end - blockSize;
    const extraKeys = start === 0 ? requestKeys : laterKeys;
    parentDigest = hashBlock(parentDigest, { tokens, start, end, extraKeys });
    digests.push(parentDigest);
  }
  return digests;
}

/** @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` unless an Int32Array */
export function checkTokens(tokens: Int32Array): void {
  if (tokens instanceof Int32Array) return;
  throw new InvalidArgumentError('tokens', tokens, 'an Int32Array of token ids');
}

function writeExtraKeys(extraKeys: ExtraKeys | null): void {
  if (extraKeys === null) {
    writer.writeNull();
    return;
  }
  writer.writeArrayHead(extraKeys.length);
  for (const [kind, value] of extraKeys) {
    writer.writeArrayHead(2);
    writer.writeText(kind);
    writer.writeText(value);
  }
}

function hashRoot(): Uint8Array {
  writer.reset();
  writer.writeText(rootText);
  return hash('sha256', writer.getBytes(), 'buffer');
}
