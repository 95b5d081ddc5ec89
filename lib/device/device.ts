import { EngineError } from '../errors.js';
import {
  countLiveObjects,
  type DeviceCounters,
  type LiveObjects,
  readDeviceCounters,
} from './counters.js';
import type { DeviceContext, DeviceInfo } from './device-context.js';
import { DeviceOps } from './device-ops.js';
import type { DType } from './dtype.js';
import {
  createKvCache,
  type KvCache,
  type KvCacheOptions,
  type KvLayout,
  kvBlockBytes,
} from './kv-cache.js';
import { checkInteger } from './limits.js';
import { MappedFile } from './mapped-file.js';
import { nativeAddon } from './native.js';
import { type DeviceOptions, type Isa, openDevice } from './open-device.js';
import { type Program, recordProgram } from './program.js';
import type { Recorder } from './recorder.js';
import { checkMask, type SamplingSlot, toNativeSlot } from './sampling-slot.js';
import { checkStepBuffer, type StepBuffer } from './step-buffer.js';
import type { RecordLimits } from './step-limits.js';
import { allocateResult, readResult, type StepResult } from './step-result.js';
import { createTensor, type Tensor, type TensorOptions } from './tensor.js';
import {
  allocateHostBlocks,
  type HostBlocks,
  startTransfer,
  type Transfer,
  type TransferOptions,
} from './transfer.js';
import {
  type LoadTensorOptions,
  loadTensor,
  loadWeight,
  type Weight,
  type WeightOptions,
} from './weight.js';

/** Steps that may be queued: one runs while JavaScript prepares the next. */
const maxQueuedSteps = 2;

/**
 * One CPU or GPU with its own engine thread, which runs all work in the order it was called: steps,
 * direct ops, reads, writes, loads and frees. JavaScript only queues work and is called back in
 * batches. While work is queued the process stays alive; an idle device does not keep it.
 */
export class Device {
  readonly info: DeviceInfo;
  /** Every op, run directly over tensors. */
  readonly ops: DeviceOps;
  readonly #context: DeviceContext;
  #numQueuedSteps = 0;
  #closed: Promise<void> | undefined;

  private constructor(context: DeviceContext) {
    this.#context = context;
    this.info = context.info;
    this.ops = new DeviceOps(context);
  }

  /**
   * Opens a device and starts its threads. A GPU takes the event loop while its kernels are loaded.
   *
   * With `backend: 'auto'`, one line is logged when a GPU is present but cannot be used, and why.
   *
   * @throws {EngineError} `ERR_CUDA_UNAVAILABLE`, `ERR_UNSUPPORTED_GPU`, `ERR_CUDA`,
   *   `ERR_ISA_UNAVAILABLE`, `ERR_ADDON_UNAVAILABLE`, `ERR_INVALID_ARGUMENT`
   */
  static open(options: DeviceOptions = {}): Device {
    return new Device(openDevice(options));
  }

  /** Instruction sets that this machine can run, slowest first. */
  static availableIsas(): Isa[] {
    return nativeAddon().availableIsas() as Isa[];
  }

  /** Native objects that live in this process, over all devices and Workers: what is leaked shows here. */
  static liveObjects(): LiveObjects {
    return countLiveObjects(nativeAddon());
  }

  /** Bytes that one KV block of `layout` takes. */
  static kvBlockBytes(layout: KvLayout): number {
    return kvBlockBytes(layout);
  }

  /** A tensor of zeros, or of `data`, which is copied before this returns. */
  tensor<D extends DType>(options: TensorOptions<D>): Tensor<D> {
    return createTensor(this.#context, options);
  }

  /** Maps a whole file read-only. */
  mapFile(path: string): MappedFile {
    return new MappedFile(this.#context.native, path);
  }

  /** Packs a weight on the engine thread; its sources may be closed or freed once this was called. */
  loadWeight(options: WeightOptions): Promise<Weight> {
    return loadWeight(this.#context, options);
  }

  /** Reads a small tensor (norm weights, biases) from a file, widened to f32. */
  loadTensor(options: LoadTensorOptions): Promise<Tensor<'f32'>> {
    return loadTensor(this.#context, options);
  }

  /**
   * Allocates a KV cache of zeros. Waits for the operation that runs just now.
   *
   * @throws {EngineError} `ERR_OUT_OF_MEMORY`
   */
  createKvCache(options: KvCacheOptions): KvCache {
    return createKvCache(this.#context, options);
  }

  /**
   * Runs `define` once and makes a program of the ops it records. Waits for the operation that runs
   * just now.
   *
   * @throws {EngineError} `ERR_OUT_OF_MEMORY`, and what the recorder's methods throw
   */
  record(
    limits: RecordLimits,
    kvCache: KvCache | undefined,
    define: (recorder: Recorder) => void,
  ): Program {
    return recordProgram(this.#context, limits, kvCache, define);
  }

  /**
   * Queues one step; everything is copied when this returns, so `step` may be refilled at once.
   *
   * The promise rejects when the step is refused or fails (`ERR_INVALID_STEP`,
   * `ERR_TOKEN_OUT_OF_RANGE`, `ERR_BLOCK_OUT_OF_RANGE`, `ERR_PREVIOUS_STEP_FAILED`, …); later steps
   * still run. Of a refused step only the table changes are kept, all of them or, when one of them is
   * out of range, none.
   *
   * @throws {EngineError} `ERR_TOO_MANY_STEPS` when two are queued already
   */
  submit(program: Program, step: StepBuffer): Promise<StepResult> {
    const { native, completions, handle } = this.#context;
    this.#context.assertOwns('program', program.context);
    checkStepBuffer(step, program.sections);
    if (this.#numQueuedSteps >= maxQueuedSteps) {
      throw new EngineError('ERR_TOO_MANY_STEPS', `${this.#numQueuedSteps} steps are queued`);
    }
    const shape = program.resultShape(step);
    const memory = allocateResult(shape);
    const done = completions.run((id) =>
      native.submitStep(handle, program.handle, step.memory, memory, id),
    );
    this.#numQueuedSteps++;
    return done
      .finally(() => {
        this.#numQueuedSteps--;
      })
      .then(() => readResult(shape, memory));
  }

  /** Sets how `slot` draws from now on, in order with the steps; resets its token counts. */
  setSamplingSlot(program: Program, slot: number, params: SamplingSlot): void {
    this.#context.assertOwns('program', program.context);
    checkInteger('slot', slot, 0, program.limits.numSamplingSlots - 1);
    const nativeSlot = toNativeSlot('params', params, program.limits.vocabSize);
    this.#context.native.setSamplingSlot(this.#context.handle, program.handle, slot, nativeSlot);
  }

  /**
   * Says which tokens `slot` may draw from now on, in order with the steps; `setSamplingSlot` lifts it again. The mask
   * is copied when it returns.
   *
   * @param mask `[ceil(vocabSize / 32)]` bit `id % 32` of word `id / 32`
   */
  setSlotMask(program: Program, slot: number, mask: Int32Array): void {
    this.#context.assertOwns('program', program.context);
    checkInteger('slot', slot, 0, program.limits.numSamplingSlots - 1);
    checkMask('mask', mask, program.limits.vocabSize);
    this.#context.native.setSlotMask(this.#context.handle, program.handle, slot, mask);
  }

  /** Host memory for `count` blocks of `kvCache`. */
  allocateHostBlocks(kvCache: KvCache, count: number): HostBlocks {
    return allocateHostBlocks(this.#context, kvCache, count);
  }

  /**
   * Moves whole blocks between a KV cache and host memory, beside the steps.
   *
   * @throws {EngineError} `ERR_BLOCK_OUT_OF_RANGE`
   */
  transfer(options: TransferOptions): Transfer {
    return startTransfer(this.#context, options);
  }

  /**
   * Bytes that the GPU can still give, as far as this process knows: what was free when it was opened,
   * less what this device took. Undefined on the CPU.
   */
  freeBytes(): number | undefined {
    const { freeBytes } = this.#context;
    if (freeBytes === undefined) return undefined;
    return Math.max(0, freeBytes - this.counters().bytesAllocated);
  }

  /** Counted by the native side while it executed. */
  counters(): DeviceCounters {
    return readDeviceCounters(this.#context);
  }

  /** Resolves when everything queued before this call has run, frees included. */
  whenIdle(): Promise<void> {
    const { native, completions, handle } = this.#context;
    return completions.run((id) => native.queueMarker(handle, id));
  }

  /** Runs what is queued, then frees everything of this device and ends its threads. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  #close(): Promise<void> {
    const { native, completions, handle } = this.#context;
    const closed = completions.run((id) => native.closeDevice(handle, id));
    this.#context.isClosed = true;
    return closed;
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
