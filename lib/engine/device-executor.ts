import type { Device, KvCache, Program, StepBuffer } from '../device/index.js';
import type { Model } from '../model/index.js';
import type { Executor, ExecutorLimits, SlotParams, StepBatch, StepOutcome } from './executor.js';

/** What a device executor runs, and how large its steps are. */
export interface DeviceExecutorOptions {
  readonly device: Device;
  readonly model: Model;
  readonly kv: {
    /** The null block 0 included. */
    readonly numBlocks: number;
    readonly blockSize: number;
  };
  /** Sequences of one step. */
  readonly maxSeqs: number;
  /** Rows of one step, at least `maxSeqs`. */
  readonly maxTokens: number;
}

/**
 * Runs steps of one model on one device. Owns the KV cache and the recorded program; device and model stay
 * the caller's, and must outlive it.
 */
export class DeviceExecutor implements Executor {
  readonly limits: ExecutorLimits;
  readonly #device: Device;
  readonly #kvCache: KvCache;
  readonly #program: Program;
  #closing: Promise<void> | undefined;

  /** @throws {EngineError} `ERR_OUT_OF_MEMORY` when cache or activations do not fit; nothing stays taken */
  constructor({ device, model, kv, maxSeqs, maxTokens }: DeviceExecutorOptions) {
    this.#device = device;
    this.limits = {
      maxTokens,
      maxSeqs,
      maxLogitRows: maxSeqs,
      maxCopies: maxSeqs,
      maxBlocksPerSeq: Math.ceil(model.contextLen / kv.blockSize),
    };
    this.#kvCache = device.createKvCache({ ...model.kvLayout, ...kv });
    try {
      const limits = { ...this.limits, maxTableRows: maxSeqs };
      this.#program = model.record(device, this.#kvCache, limits);
    } catch (error) {
      this.#kvCache.free();
      throw error;
    }
  }

  createStep(): StepBatch {
    return this.#program.createStepBuffer();
  }

  submit(step: StepBatch): Promise<StepOutcome> {
    return this.#device.submit(this.#program, step as StepBuffer);
  }

  setSamplingSlot(slot: number, params: SlotParams): void {
    const { logprobs: numLogprobs = -1, ...slotParams } = params;
    this.#device.setSamplingSlot(this.#program, slot, { ...slotParams, numLogprobs });
  }

  setSlotMask(slot: number, mask: Int32Array): void {
    this.#device.setSlotMask(this.#program, slot, mask);
  }

  /** Frees program and KV cache behind the submitted steps. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#program.free();
    this.#kvCache.free();
    await this.#device.whenIdle();
  }
}
