import type { DeviceOptions } from '../../lib/device/index.js';

/** What the tests of this folder run on; `deterministic` has the bits of each row fixed. */
export const deterministic: DeviceOptions = { backend: 'cuda', deterministic: true };
export const fast: DeviceOptions = { backend: 'cuda', deterministic: false };

/** Environment variables of test/emulation/driver/README.md; undefined is the default. */
export type EmulatedGpuVariables = {
  readonly [Name in `PA_EMULATED_${string}` | `PAGED_ATTENTION_${string}`]?: string | undefined;
};

/** Sets the emulated GPU up, for devices that are opened while none is open. */
export function setEmulatedGpu(variables: EmulatedGpuVariables): void {
  const { setEmulatedGpu: set } = globalThis as unknown as {
    setEmulatedGpu: (variables: EmulatedGpuVariables) => void;
  };
  set(variables);
}

/** CUresult of what fails here; after the sticky ones nothing works until the device is reopened. */
export const cuResult = {
  invalidValue: 1,
  outOfMemory: 2,
  illegalAddress: 700,
  launchOutOfResources: 701,
  launchFailed: 719,
  captureInvalidated: 901,
} as const;

/**
 * Makes one call to the driver fail: the `n`-th from the next opening of a device. `'kernel'` stands for a
 * kernel while it runs.
 */
export function failCall(call: string, n: number, result: keyof typeof cuResult): void {
  setEmulatedGpu({ PA_EMULATED_FAIL: `${call}:${n}:${cuResult[result]}` });
}

/** Takes back what was set, for devices that are opened from now on. */
export function resetEmulatedGpu(): void {
  setEmulatedGpu({
    PA_EMULATED_GPUS: undefined,
    PA_EMULATED_CAPABILITY: undefined,
    PA_EMULATED_MEMORY_BYTES: undefined,
    PA_EMULATED_DRIVER_VERSION: undefined,
    PA_EMULATED_DELAY_US: undefined,
    PA_EMULATED_FAIL: undefined,
  });
}
