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
