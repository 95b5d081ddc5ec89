import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DeviceSurvey, triesOfGpu } from '../../device/index.js';
import type { Finding } from './findings.js';

/** What became of one folder in which kernels are looked for. */
interface Try {
  readonly folder: string;
  /** What it holds, or why that is of no use here; one line. */
  readonly text: string;
  /** Whether there are kernels of this addon in it. */
  readonly hasKernels: boolean;
  /** Whether a device that is opened here computes with them. */
  readonly isChosen: boolean;
}

/** What a payload.json says, as far as it is printed. */
interface Payload {
  readonly abi: string;
  readonly cuda: number;
  readonly images: readonly { readonly arch: string }[];
}

/** Each folder of CUDA kernels in the order of the search, with what is in it and which one a GPU takes. */
export async function kernelsFinding({
  addonFile,
  gpus,
  payloadFolders,
}: DeviceSurvey): Promise<Finding> {
  const name = 'kernels';
  const addon = readFileSync(addonFile);
  const tries: Try[] = [];
  for (const folder of payloadFolders) {
    const found = lookInto(folder, addon);
    const isWanted = gpus.length > 0 && !tries.some(({ isChosen }) => isChosen);
    tries.push(isWanted && found.hasKernels ? await tryOnGpu(found) : found);
  }
  const text = tries.map(lineOf).join('; ');
  const facts = { tries };
  const isEnough = tries.some(({ isChosen, hasKernels }) =>
    gpus.length > 0 ? isChosen : hasKernels,
  );
  if (isEnough) return { name, status: 'ok', text, facts };
  const cure =
    'an NVIDIA GPU needs them: npm i @paged-attention/cuda-13, cuda-12 for drivers before CUDA 13; in a clone npm run build:payloads';
  return { name, status: 'note', text, cure, facts };
}

function lineOf({ folder, text, isChosen }: Try): string {
  return `${folder}: ${text}${isChosen ? ' (used)' : ''}`;
}

/** What stands in a folder; no GPU is asked. The addon holds the stamp of the kernels it was made with as text. */
function lookInto(folder: string, addon: Buffer): Try {
  const nothing = { folder, hasKernels: false, isChosen: false };
  const file = join(folder, 'payload.json');
  if (!existsSync(file)) return { ...nothing, text: 'no payload.json' };
  try {
    const { abi, cuda, images } = JSON.parse(readFileSync(file, 'utf8')) as Payload;
    if (!addon.includes(abi)) {
      return { ...nothing, text: `made for other kernels than this addon's: its abi is ${abi}` };
    }
    const archs = images.map(({ arch }) => arch).join(', ');
    return { ...nothing, hasKernels: true, text: `CUDA ${cuda} for ${archs}` };
  } catch (error) {
    return { ...nothing, text: `payload.json cannot be used: ${(error as Error).message}` };
  }
}

/** Whether the GPU computes with what was found. */
async function tryOnGpu(found: Try): Promise<Try> {
  const { folder } = found;
  const tries = await triesOfGpu([folder]);
  if (tries === undefined) return { ...found, isChosen: true };
  const reasons = tries
    .filter((line) => line.startsWith(folder))
    .map((line) => line.slice(folder.length).replace(/^: /, ''));
  return { ...found, text: (reasons.length > 0 ? reasons : tries).join('; ') };
}
