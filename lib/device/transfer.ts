import { EngineError, InvalidArgumentError } from '../errors.js';
import type { DeviceContext } from './device-context.js';
import type { KvCache } from './kv-cache.js';
import { checkInteger } from './limits.js';
import type { NativeHostBlocks } from './native.js';
import { DeviceResource } from './resource.js';

/** Room in host memory for `count` whole blocks of a KV cache. */
export class HostBlocks extends DeviceResource<NativeHostBlocks> {
  /** @internal */
  constructor(
    context: DeviceContext,
    handle: NativeHostBlocks,
    readonly count: number,
    readonly blockBytes: number,
  ) {
    super(context, handle, 'host blocks');
  }

  protected override release(handle: NativeHostBlocks): void {
    this.context.native.freeHostBlocks(this.context.handle, handle);
  }
}

/** Allocates host blocks that fit `kvCache`. */
export function allocateHostBlocks(
  context: DeviceContext,
  kvCache: KvCache,
  count: number,
): HostBlocks {
  context.assertOwns('kvCache', kvCache.context);
  checkInteger('count', count, 1, 2 ** 31 - 1);
  const handle = context.native.allocateHostBlocks(context.handle, kvCache.handle, count);
  return new HostBlocks(context, handle, count, kvCache.blockBytes);
}

/** What `device.transfer()` takes. */
export interface TransferOptions {
  readonly kvCache: KvCache;
  readonly host: HostBlocks;
  readonly pairs: readonly { readonly block: number; readonly hostBlock: number }[];
  readonly direction: 'toHost' | 'toDevice';
}

/**
 * Whole blocks on their way between a KV cache and host memory, beside the steps.
 *
 * `toHost` sees all steps submitted before it; steps submitted after `toDevice` wait for it. The
 * caller keeps the blocks of both sides untouched until `done`.
 */
export interface Transfer {
  readonly done: Promise<void>;
}

/** Queues a transfer; `pairs` are copied before it returns. */
export function startTransfer(context: DeviceContext, options: TransferOptions): Transfer {
  const { kvCache, host, pairs, direction } = options;
  context.assertOwns('kvCache', kvCache.context);
  context.assertOwns('host', host.context);
  if (direction !== 'toHost' && direction !== 'toDevice') {
    throw new InvalidArgumentError('direction', direction, "'toHost' or 'toDevice'");
  }
  if (host.blockBytes !== kvCache.blockBytes) {
    throw new InvalidArgumentError(
      'host.blockBytes',
      host.blockBytes,
      `${kvCache.blockBytes}, the bytes of a block of the cache`,
      'ERR_SHAPE_MISMATCH',
    );
  }
  const flat = new Int32Array(pairs.length * 2);
  for (const [i, { block, hostBlock }] of pairs.entries()) {
    checkBlock(`pairs[${i}].block`, block, 1, kvCache.layout.numBlocks);
    checkBlock(`pairs[${i}].hostBlock`, hostBlock, 0, host.count);
    flat.set([block, hostBlock], i * 2);
  }
  const transfer = {
    cache: kvCache.handle,
    host: host.handle,
    pairs: flat,
    isToHost: direction === 'toHost',
  };
  const done = context.completions.run((id) =>
    context.native.transfer(context.handle, transfer, id),
  );
  return { done };
}

function checkBlock(field: string, block: number, min: number, end: number): void {
  if (Number.isInteger(block) && block >= min && block < end) return;
  throw new EngineError(
    'ERR_BLOCK_OUT_OF_RANGE',
    `${field} is ${block}; expected an integer in [${min}, ${end - 1}]`,
  );
}
