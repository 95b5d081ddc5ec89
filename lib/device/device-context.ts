import { EngineError, InvalidArgumentError } from '../errors.js';
import { Completions } from './completions.js';
import { type DType, dtypeOfCode, type FloatDType, type WeightDType } from './dtype.js';
import {
  type CompletionBatch,
  type NativeAddon,
  type NativeDevice,
  nativeAddon,
} from './native.js';

/** What a device turned out to be. */
export interface DeviceInfo {
  readonly backend: 'cpu' | 'cuda';
  /** Instruction set, or the architecture that the GPU's kernels were compiled for. */
  readonly isa: string;
  /** Processor or GPU. */
  readonly name: string;
  readonly threads: number;
  /** Whether a row has the same bits whatever runs beside it. */
  readonly deterministic: boolean;
  /** Of the GPU, such as `'9.0'`; undefined on the CPU. */
  readonly computeCapability: string | undefined;
  /** Of the GPU, or the `maxBytes` that it was opened with; undefined on the CPU. */
  readonly memoryBytes: number | undefined;
  /** Types that weights can be kept in. */
  readonly weightDtypes: readonly WeightDType[];
  /** Types that a KV cache can have. */
  readonly cacheDtypes: readonly FloatDType[];
}

/** Opens the backend that a device stands on. */
export type OpenNative = (
  native: NativeAddon,
  onCompletions: (batch: CompletionBatch) => void,
) => NativeDevice;

/** What everything that lives on one device shares. JavaScript thread only. */
export class DeviceContext {
  readonly native: NativeAddon;
  readonly completions = new Completions();
  readonly info: DeviceInfo;
  /** GPU memory that was free when the device was opened; undefined on the CPU. */
  readonly freeBytes: number | undefined;
  readonly #handle: NativeDevice;
  isClosed = false;

  /** @throws {EngineError} `ERR_ADDON_UNAVAILABLE`, and what `open` throws */
  constructor(open: OpenNative) {
    this.native = nativeAddon();
    this.#handle = open(this.native, this.completions.settle);
    const { freeBytes, weightDtypes, cacheDtypes, ...info } = this.native.deviceInfo(this.#handle);
    this.freeBytes = info.backend === 'cuda' ? freeBytes : undefined;
    this.info = {
      ...info,
      backend: info.backend as DeviceInfo['backend'],
      computeCapability: info.computeCapability || undefined,
      memoryBytes: info.backend === 'cuda' ? info.memoryBytes : undefined,
      weightDtypes: weightDtypes.map(dtypeOfCode) as WeightDType[],
      cacheDtypes: cacheDtypes.map(dtypeOfCode) as FloatDType[],
    };
  }

  /** @throws {EngineError} `ERR_CLOSED` after `close()` */
  get handle(): NativeDevice {
    this.assertOpen();
    return this.#handle;
  }

  /** @throws {EngineError} `ERR_CLOSED` after `close()` */
  assertOpen(): void {
    if (this.isClosed) throw new EngineError('ERR_CLOSED', 'the device is closed');
  }

  /**
   * Refuses a dtype that the backend has no kernels for.
   *
   * @param what `'weights'` or `'caches'`
   * @throws {InvalidArgumentError} `ERR_UNSUPPORTED_DTYPE` naming those it has
   */
  assertSupports(what: 'weights' | 'caches', field: string, dtype: DType | WeightDType): void {
    const known: readonly string[] =
      what === 'weights' ? this.info.weightDtypes : this.info.cacheDtypes;
    if (known.includes(dtype)) return;
    const names = known.map((name) => `'${name}'`).join(' or ');
    throw new InvalidArgumentError(
      field,
      dtype,
      `${names}: ${what} of the ${this.info.backend} backend`,
      'ERR_UNSUPPORTED_DTYPE',
    );
  }

  /** Refuses things of another device: their memory is not reachable from this one. */
  assertOwns(field: string, other: DeviceContext): void {
    if (other === this) return;
    throw new EngineError('ERR_INVALID_ARGUMENT', `${field} belongs to another device`);
  }
}
