import { CudaError, EngineError, type ErrorCode, errorCodes } from '../errors.js';
import { loadAddonFile } from './addon-file.js';

declare const handleKind: unique symbol;
/** An opaque object of the addon; the addon refuses a handle of another kind. */
export interface NativeHandle<Kind extends string> {
  readonly [handleKind]: Kind;
}
export type NativeDevice = NativeHandle<'device'>;
/** Memory of the device. */
export type NativeBuffer = NativeHandle<'buffer'>;
export type NativeKvCache = NativeHandle<'kvCache'>;
export type NativeFile = NativeHandle<'file'>;
export type NativeHostBlocks = NativeHandle<'hostBlocks'>;
export type NativeProgram = NativeHandle<'program'>;

/** What of CUDA failed. Mirrors CudaFailure in addon/status.h. */
export interface NativeCudaFailure {
  readonly cudaCode: number;
  readonly call: string;
  readonly kernel: string;
}

/** Finished work, four entries each: its id, then null or an error's code, message and CUDA failure. */
export type CompletionBatch = readonly (number | string | NativeCudaFailure | null)[];

/** Mirrors BackendInfo in addon/backend.h. */
export interface NativeDeviceInfo {
  readonly backend: string;
  readonly isa: string;
  readonly name: string;
  readonly threads: number;
  readonly deterministic: boolean;
  readonly computeCapability: string;
  readonly memoryBytes: number;
  readonly freeBytes: number;
  readonly weightDtypes: readonly number[];
  readonly cacheDtypes: readonly number[];
}

/** One part of a stacked weight, as the addon takes it. */
export interface NativeWeightPart {
  readonly source: NativeFile | NativeBuffer;
  readonly byteOffset: number;
  readonly dtype: number;
  readonly outDim: number;
  /** 0: rows are in order. */
  readonly interleavedHeadDim: number;
}

/**
 * What build/Release/paged_attention.node exports (addon/addon.cpp). Functions that take `id` queue
 * work on the engine thread and report that number to `onCompletions`; 0 reports nothing.
 */
export interface NativeAddon {
  availableIsas(): string[];
  liveObjects(counts: Float64Array): void;
  listGpus(): string[];
  openCpu(o: {
    isa: string;
    threads: number;
    onCompletions: (batch: CompletionBatch) => void;
  }): NativeDevice;
  openCuda(o: {
    index: number;
    deterministic: boolean;
    payloadFolders: readonly string[];
    maxBytes: number;
    onCompletions: (batch: CompletionBatch) => void;
  }): NativeDevice;
  deviceInfo(device: NativeDevice): NativeDeviceInfo;
  deviceCounters(device: NativeDevice, counters: Float64Array): void;
  queueMarker(device: NativeDevice, id: number): void;
  closeDevice(device: NativeDevice, id: number): void;

  allocateBuffer(device: NativeDevice, o: { byteLength: number }): NativeBuffer;
  writeBuffer(device: NativeDevice, buffer: NativeBuffer, data: ArrayBufferView, id: number): void;
  readBuffer(device: NativeDevice, buffer: NativeBuffer, into: ArrayBuffer, id: number): void;
  fillBuffer(device: NativeDevice, buffer: NativeBuffer, byte: number, id: number): void;
  freeBuffer(device: NativeDevice, buffer: NativeBuffer): void;

  mapFile(path: string): { file: NativeFile; byteLength: number };
  readFile(file: NativeFile, byteOffset: number, into: ArrayBuffer): void;
  unmapFile(file: NativeFile): void;
  loadWeight(
    device: NativeDevice,
    o: { dtype: number; inDim: number; parts: readonly NativeWeightPart[] },
    id: number,
  ): { weight: NativeBuffer; byteLength: number };
  loadTensor(
    device: NativeDevice,
    o: { source: NativeFile; byteOffset: number; sourceDtype: number; numElements: number },
    id: number,
  ): NativeBuffer;

  createKvCache(device: NativeDevice, o: NativeKvLayout): NativeKvCache;
  fillKvCache(device: NativeDevice, cache: NativeKvCache, byte: number, id: number): void;
  freeKvCache(device: NativeDevice, cache: NativeKvCache): void;
  allocateHostBlocks(device: NativeDevice, cache: NativeKvCache, count: number): NativeHostBlocks;
  freeHostBlocks(device: NativeDevice, host: NativeHostBlocks): void;
  transfer(
    device: NativeDevice,
    o: { cache: NativeKvCache; host: NativeHostBlocks; pairs: Int32Array; isToHost: boolean },
    id: number,
  ): void;

  runOp(device: NativeDevice, op: object, id: number): void;
  runSample(device: NativeDevice, o: object, into: ArrayBuffer, id: number): void;
  createProgram(device: NativeDevice, o: object): NativeProgram;
  submitStep(
    device: NativeDevice,
    program: NativeProgram,
    step: ArrayBuffer,
    into: ArrayBuffer,
    id: number,
  ): void;
  setSamplingSlot(device: NativeDevice, program: NativeProgram, slot: number, o: object): void;
  setSlotMask(device: NativeDevice, program: NativeProgram, slot: number, mask: Int32Array): void;
  freeProgram(device: NativeDevice, program: NativeProgram): void;
}

/** Byte strides of a KV cache; see lib/device/kv-cache.ts for the layout. */
export interface NativeKvLayout {
  readonly numBlocks: number;
  readonly blockSize: number;
  readonly numLayers: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly dtype: number;
  readonly blockStride: number;
  readonly layerStride: number;
  readonly valueStride: number;
  readonly headStride: number;
}

let loaded: NativeAddon | undefined;

/**
 * The addon, loaded at the first call.
 *
 * @throws {EngineError} `ERR_ADDON_UNAVAILABLE` when there is no build or prebuilt addon for this platform; names every place tried
 */
export function nativeAddon(): NativeAddon {
  loaded ??= withTypedErrors(loadAddonFile() as NativeAddon);
  return loaded;
}

/** The addon throws bare errors with a code; every error that leaves lib/ is an EngineError. */
function withTypedErrors(addon: NativeAddon): NativeAddon {
  const wrapped = Object.entries(addon).map(([name, call]) => [
    name,
    (...parameters: unknown[]) => {
      try {
        return call(...parameters);
      } catch (error) {
        const { code, message, cuda } = error as Error & {
          code?: string;
          cuda?: NativeCudaFailure;
        };
        throw nativeError(code, message, cuda);
      }
    },
  ]);
  return Object.fromEntries(wrapped) as NativeAddon;
}

/** What to do about what the machine lacks. */
const hints: Partial<Record<ErrorCode, string>> = {
  ERR_CUDA_UNAVAILABLE: 'see "When it fails" in docs/cuda.md, or use backend: \'cpu\'',
  ERR_UNSUPPORTED_GPU: 'build kernels for it: npm run build:payloads -- --arch sm_XX',
};

/** The error that an addon's code and message stand for; an unknown code becomes `ERR_NATIVE`. */
export function nativeError(
  code: string | undefined | null,
  message: string,
  cuda?: NativeCudaFailure | null,
): EngineError {
  const isKnown = code !== undefined && code !== null && Object.hasOwn(errorCodes, code);
  const knownCode = isKnown ? (code as ErrorCode) : 'ERR_NATIVE';
  if (!cuda) {
    const hint = hints[knownCode];
    return new EngineError(knownCode, message, hint === undefined ? {} : { hint });
  }
  return new CudaError(message, cuda.cudaCode, cuda.call, cuda.kernel, knownCode);
}
