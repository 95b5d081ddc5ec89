import { Device, type DeviceOptions } from '../../lib/device/index.js';

/** The two modes of a GPU. */
export const modes: readonly (readonly [name: string, options: DeviceOptions])[] = [
  ['default', { backend: 'cuda', deterministic: false }],
  ['deterministic', { backend: 'cuda', deterministic: true }],
];

/** Whether the GPU is an emulated one; why there is none, otherwise. */
async function probeGpu(): Promise<{ isEmulated: boolean; problem?: string }> {
  try {
    const device = Device.open({ backend: 'cuda' });
    const { name } = device.info;
    await device.close();
    return { isEmulated: name === 'Emulated GPU' };
  } catch (error) {
    return { isEmulated: false, problem: (error as Error).message.split('\n')[0] };
  }
}

const { problem, isEmulated } = await probeGpu();

/** A suite that needs a GPU: skipped where there is none, and the reason is printed once per file. */
export const describeOnGpu = problem === undefined ? describe : describe.skip;
if (problem !== undefined) console.info(`skipped without a GPU: ${problem}`);

/** How much of a long suite runs: all of it on a GPU, a small share under emulation. */
export function shareOf(count: number): number {
  return isEmulated ? Math.max(1, Math.ceil(count / 25)) : count;
}
