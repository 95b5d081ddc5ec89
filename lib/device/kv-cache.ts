import { totalmem } from 'node:os';
import { EngineError, InvalidArgumentError } from '../errors.js';
import type { DeviceContext } from './device-context.js';
import { dtypeBytes, dtypeCodes } from './dtype.js';
import { checkInteger } from './limits.js';
import type { NativeKvCache } from './native.js';
import { DeviceResource } from './resource.js';

/** Extents of the KV of one model; `blockSize` in tokens. */
export interface KvLayout {
  readonly blockSize: number;
  readonly numLayers: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly dtype: 'f32' | 'f16' | 'bf16';
}

/** What `device.createKvCache()` takes. */
export interface KvCacheOptions extends KvLayout {
  /** Block 0, the null block, included. */
  readonly numBlocks: number;
}

/** Blocks begin at multiples of this, so that they can be mapped and written to files as they are. */
const blockAlignment = 4096;
/** Room at the end of a block for one f32 scale per layer, K or V, and head. */
const scaleBytes = 4;

/**
 * The paged KV cache: `numBlocks` blocks, each one contiguous piece of memory for all layers.
 *
 *     block  [numLayers][2: K, V][numKvHeads][tile]  scales  padding to 4 KiB
 *     tile   blockSize * headDim elements, in the backend's own order
 *
 * Its contents begin as zeros; only ops read and write them.
 */
export class KvCache extends DeviceResource<NativeKvCache> {
  /** Bytes of one block, scales and padding included. */
  readonly blockBytes: number;

  /** @internal */
  constructor(
    context: DeviceContext,
    handle: NativeKvCache,
    readonly layout: KvCacheOptions,
  ) {
    super(context, handle, 'KV cache');
    this.blockBytes = kvBlockBytes(layout);
  }

  /** Sets every byte to `byte`, after all work queued so far; 0xff makes every value NaN. For tests. */
  async fill(byte: number): Promise<void> {
    checkInteger('byte', byte, 0, 255);
    const { native, completions, handle } = this.context;
    await completions.run((id) => native.fillKvCache(handle, this.handle, byte, id));
  }

  protected override release(handle: NativeKvCache): void {
    this.context.native.freeKvCache(this.context.handle, handle);
  }
}

/** Bytes that one block of `layout` takes, scales and padding to 4 KiB included. */
export function kvBlockBytes(layout: KvLayout): number {
  checkKvLayout(layout);
  const { layerStride } = strides(layout);
  const scales = layout.numLayers * 2 * layout.numKvHeads * scaleBytes;
  const bytes = layout.numLayers * layerStride + scales;
  return Math.ceil(bytes / blockAlignment) * blockAlignment;
}

/**
 * Allocates a cache. Waits for the operation that runs just now, so call it at load.
 *
 * @throws {EngineError} `ERR_OUT_OF_MEMORY` when the device cannot hold it, `ERR_UNSUPPORTED_DTYPE`
 */
export function createKvCache(context: DeviceContext, options: KvCacheOptions): KvCache {
  const blockStride = kvBlockBytes(options);
  context.assertSupports('caches', 'dtype', options.dtype);
  // Slots are 32-bit numbers.
  checkInteger('numBlocks', options.numBlocks, 2, Math.floor((2 ** 31 - 1) / options.blockSize));
  const numBytes = options.numBlocks * blockStride;
  const limitBytes = context.info.memoryBytes ?? machineBytes();
  if (numBytes > limitBytes) {
    const who = context.info.backend === 'cuda' ? 'GPU' : 'machine';
    throw new EngineError(
      'ERR_OUT_OF_MEMORY',
      `the KV cache needs ${numBytes} bytes; the ${who} grants ${limitBytes}`,
    );
  }
  const { numBlocks, blockSize, numLayers, numKvHeads, headDim, dtype } = options;
  const layout = { numBlocks, blockSize, numLayers, numKvHeads, headDim, dtype };
  const handle = context.native.createKvCache(context.handle, {
    ...layout,
    dtype: dtypeCodes[dtype],
    blockStride,
    ...strides(options),
  });
  return new KvCache(context, handle, layout);
}

/** Memory that this process may use at all: the cgroup's limit, or the machine's. */
function machineBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

function strides(layout: KvLayout) {
  const headStride = layout.blockSize * layout.headDim * dtypeBytes[layout.dtype];
  const valueStride = layout.numKvHeads * headStride;
  return { headStride, valueStride, layerStride: 2 * valueStride };
}

function checkKvLayout(layout: KvLayout): void {
  const { blockSize, dtype } = layout;
  const isPowerOfTwo = Number.isInteger(blockSize) && (blockSize & (blockSize - 1)) === 0;
  if (!isPowerOfTwo || blockSize < 8 || blockSize > 256) {
    throw new InvalidArgumentError('blockSize', blockSize, 'a power of two in [8, 256]');
  }
  checkInteger('numLayers', layout.numLayers, 1, 4096);
  checkInteger('numKvHeads', layout.numKvHeads, 1, 4096);
  checkInteger('headDim', layout.headDim, 16, 256);
  if (layout.headDim % 16 !== 0) {
    throw new InvalidArgumentError('headDim', layout.headDim, 'a multiple of 16');
  }
  if (dtype !== 'f32' && dtype !== 'f16' && dtype !== 'bf16') {
    throw new InvalidArgumentError('dtype', dtype, "'f32', 'f16' or 'bf16'");
  }
}
