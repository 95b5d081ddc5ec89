import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { packageFolder } from '../package-folder.js';

/** Newest first: a driver runs kernels of its own CUDA version and of older ones. */
const cudaVersions = [13, 12] as const;

/**
 * The folders in which the addon looks for CUDA kernels, in order: those that
 * `PAGED_ATTENTION_CUDA_PAYLOAD` names, the packages `@paged-attention/cuda-13` and `-12`, and `prebuilds/`
 * of a clone. A folder that does not exist is among them: the addon says of each what it found there.
 */
export function payloadFolders(): string[] {
  const named = (process.env.PAGED_ATTENTION_CUDA_PAYLOAD ?? '').split(delimiter);
  const platform = `${process.platform}-${process.arch}`;
  return [
    ...named.filter((folder) => folder !== ''),
    ...cudaVersions.map((version) => kernelFolder(`@paged-attention/cuda-${version}`)),
    ...cudaVersions.map((version) =>
      join(packageFolder(), 'prebuilds', platform, `cuda-${version}`),
    ),
  ];
}

/**
 * Where a package is for this one, for the program that runs or for the working folder; where it would be if it is not
 * there. pnpm and Plug'n'Play show a package nothing that it does not ask for, such as these.
 */
function kernelFolder(name: string): string {
  const places = [
    join(packageFolder(), 'package.json'),
    process.argv[1],
    join(process.cwd(), 'package.json'),
  ];
  for (const from of places) {
    try {
      if (from) return dirname(createRequire(from).resolve(`${name}/package.json`));
    } catch {
      // Not installed there.
    }
  }
  return join(packageFolder(), 'node_modules', name);
}
