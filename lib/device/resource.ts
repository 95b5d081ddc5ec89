import { EngineError } from '../errors.js';
import type { DeviceContext } from './device-context.js';

/**
 * Something that holds memory of a device until `free()`.
 *
 * Work that was queued before `free()` still runs; memory that a recorded program reads goes back
 * when that program is freed too. `Device.close()` gives back everything. An object that is collected
 * without `free()` gives its memory back late, and `device.counters().buffersCollected` counts it.
 */
export abstract class DeviceResource<Handle> {
  readonly #handle: Handle;
  #isFreed = false;

  /** @internal */
  constructor(
    /** @internal */
    readonly context: DeviceContext,
    handle: Handle,
    /** What it is, for messages. */
    protected readonly kind: string,
  ) {
    this.#handle = handle;
  }

  /**
   * @internal
   * @throws {EngineError} `ERR_CLOSED` when it was freed or its device closed
   */
  get handle(): Handle {
    if (this.#isFreed) throw new EngineError('ERR_CLOSED', `the ${this.kind} was freed`);
    this.context.assertOpen();
    return this.#handle;
  }

  /**
   * Gives the memory back, after the work that is queued already.
   *
   * @throws {EngineError} `ERR_DOUBLE_FREE` the second time
   */
  free(): void {
    if (this.#isFreed) {
      throw new EngineError('ERR_DOUBLE_FREE', `the ${this.kind} was freed before`);
    }
    this.#isFreed = true;
    if (!this.context.isClosed) this.release(this.#handle);
  }

  protected abstract release(handle: Handle): void;
}
