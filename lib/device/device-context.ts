import { EngineError } from '../errors.js';
import { Completions } from './completions.js';
import { type NativeAddon, type NativeDevice, nativeAddon } from './native.js';

/** What everything that lives on one device shares. JavaScript thread only. */
export class DeviceContext {
  readonly native: NativeAddon;
  readonly completions = new Completions();
  readonly #handle: NativeDevice;
  isClosed = false;

  constructor(isa: string, threads: number) {
    this.native = nativeAddon();
    const onCompletions = this.completions.settle;
    this.#handle = this.native.openDevice({ isa, threads, onCompletions });
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

  /** Refuses things of another device: their memory is not reachable from this one. */
  assertOwns(field: string, other: DeviceContext): void {
    if (other === this) return;
    throw new EngineError('ERR_INVALID_ARGUMENT', `${field} belongs to another device`);
  }
}
