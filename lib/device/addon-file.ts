import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../errors.js';

const packageRoot = fileURLToPath(new URL('../..', import.meta.url));
const requireHere = createRequire(import.meta.url);

interface NodeGypBuild {
  /** Path of the addon that fits this runtime; throws where there is none. */
  path(root: string): string;
}

/** A place where the addon may be, and what is there. */
export interface AddonTry {
  readonly folder: string;
  /** Such as `not there`, or why the file in it could not be loaded. */
  readonly outcome: string;
}

/**
 * Loads the addon: the build of a clone, else the prebuilt one for this platform.
 *
 * `PAGED_ATTENTION_PREBUILD` names another folder that has `build/Release` or `prebuilds` in it.
 *
 * @throws {EngineError} `ERR_ADDON_UNAVAILABLE` naming every place that was tried and what was wrong there
 */
export function loadAddonFile(): unknown {
  let file: string | undefined;
  try {
    file = findAddonFile();
    return requireHere(file);
  } catch (cause) {
    const tries = addonTries(file, (cause as Error).message)
      .map(({ folder, outcome }) => `\n  ${folder}: ${outcome}`)
      .join('');
    const platform = `${process.platform}-${process.arch}`;
    throw new EngineError(
      'ERR_ADDON_UNAVAILABLE',
      `no native addon for ${platform} with Node ${process.versions.node} could be loaded; tried${tries}`,
      { cause, hint: cureFor(platform) },
    );
  }
}

/** Path of the addon that is, or would be, loaded. */
export function findAddonFile(): string {
  return (requireHere('node-gyp-build') as NodeGypBuild).path(packageRoot);
}

/** Places in the order in which they are looked at. */
function addonTries(file: string | undefined, message: string): AddonTry[] {
  const root = process.env.PAGED_ATTENTION_PREBUILD ?? packageRoot;
  const prebuilt = join('prebuilds', `${process.platform}-${process.arch}`);
  return ['build/Release', 'build/Debug', prebuilt].map((name) => {
    const folder = join(root, name);
    if (file?.startsWith(folder)) return { folder, outcome: `${file}: ${message}` };
    return { folder, outcome: contentOf(folder, file !== undefined) };
  });
}

function contentOf(folder: string, isAddonElsewhere: boolean): string {
  if (!existsSync(folder)) return 'not there';
  const addons = readdirSync(folder).filter((name) => name.endsWith('.node'));
  if (addons.length === 0) return 'has no addon';
  return `has ${addons.join(', ')}, ${isAddonElsewhere ? 'not looked at' : 'made for another system'}`;
}

function cureFor(platform: string): string {
  return platform === 'linux-x64' || platform === 'linux-arm64'
    ? 'install the package again, or build in a clone: npm run build:addon'
    : `no addon is prebuilt for ${platform}: build in a clone: npm run build:addon`;
}
