import { EngineError } from '../errors.js';
import { Completions } from './completions.js';
import { type NativeDevice, nativeAddon } from './native.js';

/**
 * Opens the first GPU with kernels of these folders only, and closes it again. With several folders it says how far
 * it got, with one whether that folder's kernels are of use, with none what driver there is.
 *
 * @param payloadFolders folders of kernels, in order
 * @returns what was tried, a line each, when there is no way; undefined when the GPU was opened
 * @throws {EngineError} `ERR_ADDON_UNAVAILABLE`
 */
export async function triesOfGpu(payloadFolders: readonly string[]): Promise<string[] | undefined> {
  const native = nativeAddon();
  const completions = new Completions();
  let device: NativeDevice;
  try {
    device = native.openCuda({
      index: 0,
      deterministic: false,
      maxBytes: 0,
      payloadFolders: [...payloadFolders],
      onCompletions: completions.settle,
    });
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return error.message.split(/\s*\n\s*/);
  }
  await completions.run((id) => native.closeDevice(device, id));
  return undefined;
}
