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
 * Writes the identity of a full block: SHA-256 of canonical CBOR `[parentDigest, [token, …], extraKeys]`.
 *
 * Equal to vLLM's `sha256_cbor` for blocks without extra keys.
 *
 * @param target where the digest goes, at `[offset, offset + digestBytes)`
 */
export function writeBlockDigest(
  target: Buffer,
  offset: number,
  parentDigest: Uint8Array,
  content: BlockContent,
): void {
  writer.reset();
  writer.writeArrayHead(3);
  writer.writeBytes(parentDigest);
  writer.writeTokens(content.tokens, content.start, content.end);
  writeExtraKeys(content.extraKeys);
  // As text: a Buffer per digest costs twice the hash (`node bench/kv.mjs`).
  target.write(hash('sha256', writer.getBytes(), 'binary'), offset, 'latin1');
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
  const numBlocks = Math.floor(tokens.length / blockSize);
  const bytes = Buffer.alloc(numBlocks * digestBytes);
  const digests: Uint8Array[] = [];
  let parentDigest = rootDigest;
  for (let i = 0; i < numBlocks; i++) {
    const extraKeys = i === 0 ? requestKeys : laterKeys;
    const content = { tokens, start: i * blockSize, end: (i + 1) * blockSize, extraKeys };
    writeBlockDigest(bytes, i * digestBytes, parentDigest, content);
    parentDigest = new Uint8Array(bytes.buffer, bytes.byteOffset + i * digestBytes, digestBytes);
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
  return Uint8Array.from(hash('sha256', writer.getBytes(), 'buffer'));
}
