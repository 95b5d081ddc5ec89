import { EngineError, InvalidArgumentError } from '../errors.js';
import { DeviceContext, type OpenNative } from './device-context.js';
import { checkInteger } from './limits.js';
import { nativeAddon } from './native.js';
import { payloadFolders } from './payload-folders.js';

/** Instruction sets of the CPU backend; each gives the same bits. */
export type Isa = 'auto' | 'portable' | 'avx2' | 'avx512' | 'avx512bf16';

/** What `Device.open()` takes. */
export interface DeviceOptions {
  /** `'auto'` (default): a GPU where one can be used, else the CPU; `isa` asks for the CPU. */
  readonly backend?: 'auto' | 'cpu' | 'cuda';
  /** Which GPU, in the driver's order; only 0 on the CPU. */
  readonly index?: number;
  /** Threads of the CPU backend; the cores that the cgroup grants when left out. */
  readonly threads?: number;
  readonly isa?: Isa;
  /**
   * The same bits for a row whatever runs beside it; slower on a GPU, where the default promises results
   * within tolerance. The CPU always gives the same bits.
   */
  readonly deterministic?: boolean;
  /** GPU memory that may be taken, in bytes; default: all that is free. */
  readonly maxBytes?: number;
}

const isas: readonly Isa[] = ['auto', 'portable', 'avx2', 'avx512', 'avx512bf16'];

/**
 * Opens the backend that the options choose.
 *
 * @throws {EngineError} `ERR_INVALID_ARGUMENT`; `ERR_CUDA_UNAVAILABLE`, `ERR_UNSUPPORTED_GPU`,
 *   `ERR_CUDA` where a GPU was asked for by `backend` or `index`; `ERR_ISA_UNAVAILABLE`,
 *   `ERR_ADDON_UNAVAILABLE`
 */
export function openDevice(options: DeviceOptions): DeviceContext {
  const chosen = checkOptions(options);
  const { backend, isa, index } = chosen;
  if (backend === 'cpu' || (backend === 'auto' && isa !== 'auto')) return openCpu(chosen);
  nativeAddon();
  try {
    return new DeviceContext(openCuda(chosen));
  } catch (error) {
    const isAskedFor = backend === 'cuda' || index > 0;
    if (isAskedFor || !(error instanceof EngineError)) throw error;
    logUnusedGpu(error);
    return openCpu(chosen);
  }
}

function checkOptions(options: DeviceOptions): Required<DeviceOptions> {
  const { backend = 'auto', index = 0, threads = 0, isa = 'auto' } = options;
  const { deterministic = false, maxBytes = 0 } = options;
  if (!['auto', 'cpu', 'cuda'].includes(backend)) {
    throw new InvalidArgumentError('backend', backend, "'auto', 'cpu' or 'cuda'");
  }
  if (!isas.includes(isa)) throw new InvalidArgumentError('isa', isa, isas.join(', '));
  if (typeof deterministic !== 'boolean') {
    throw new InvalidArgumentError('deterministic', deterministic, 'true or false');
  }
  checkInteger('threads', threads, 0, 1024);
  checkInteger('index', index, 0, backend === 'cpu' ? 0 : 1024);
  checkInteger('maxBytes', maxBytes, 0, Number.MAX_SAFE_INTEGER);
  return { backend, index, threads, isa, deterministic, maxBytes };
}

function openCpu({ isa, threads }: Required<DeviceOptions>): DeviceContext {
  return new DeviceContext((native, onCompletions) =>
    native.openCpu({ isa, threads, onCompletions }),
  );
}

function openCuda({ index, deterministic, maxBytes }: Required<DeviceOptions>): OpenNative {
  return (native, onCompletions) =>
    native.openCuda({
      index,
      deterministic,
      maxBytes,
      payloadFolders: payloadFolders(),
      onCompletions,
    });
}

let hasLogged = false;

/** One line per process, and none where there is no GPU to use. */
function logUnusedGpu(error: EngineError): void {
  const [gpu] = nativeAddon().listGpus();
  if (gpu === undefined || hasLogged) return;
  hasLogged = true;
  const reason = error.message.replaceAll(/\s*\n\s*/g, '; ');
  console.warn(`paged-attention: ${gpu} is unused, the CPU computes: ${error.code}: ${reason}`);
}
