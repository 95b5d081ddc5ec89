import { findAddonFile } from './addon-file.js';
import { nativeAddon } from './native.js';
import { payloadFolders } from './payload-folders.js';

/** What of this machine the addon could use; nothing is opened. */
export interface DeviceSurvey {
  /** Path of the addon that was loaded. */
  readonly addonFile: string;
  /** Instruction sets of this processor, best last. */
  readonly isas: readonly string[];
  /** Names of the GPUs that the driver shows; empty without a driver. */
  readonly gpus: readonly string[];
  /** Where CUDA kernels are looked for, in order. */
  readonly payloadFolders: readonly string[];
}

/**
 * Looks at what is there.
 *
 * @throws {EngineError} `ERR_ADDON_UNAVAILABLE`
 */
export function surveyDevices(): DeviceSurvey {
  const addon = nativeAddon();
  return {
    addonFile: findAddonFile(),
    isas: addon.availableIsas(),
    gpus: addon.listGpus(),
    payloadFolders: payloadFolders(),
  };
}
