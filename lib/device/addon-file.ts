import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { nodeGypBuild, requireFile, requirePrebuilt } from '../../addon.cjs';
import { EngineError } from '../errors.js';
import { isBundled, packageFolder } from '../package-folder.js';

/** A place where the addon may be, and what is there. */
export interface AddonTry {
  readonly folder: string;
  /** Such as `not there`, or why the file in it could not be loaded. */
  readonly outcome: string;
}

/**
 * Loads the addon: the build of a clone, else the prebuilt one for this platform; in a bundle the one that was
 * bundled along.
 *
 * `PAGED_ATTENTION_PREBUILD` names another folder that has `build/Release` or `prebuilds` in it.
 *
 * @throws {EngineError} `ERR_ADDON_UNAVAILABLE` naming every place that was tried and what was wrong there
 */
export function loadAddonFile(): unknown {
  const platform = `${process.platform}-${architecture()}`;
  let file: string | undefined;
  try {
    const addon = isInBundle() ? requirePrebuilt(platform) : undefined;
    if (addon !== undefined) return addon;
    file = findAddonFile();
    return requireFile(file);
  } catch (cause) {
    const tries = addonTries(file, (cause as Error).message)
      .map(({ folder, outcome }) => `\n  ${folder}: ${outcome}`)
      .join('');
    throw new EngineError(
      'ERR_ADDON_UNAVAILABLE',
      `no native addon for ${platform} with Node ${process.versions.node} could be loaded; tried${tries}`,
      { cause, hint: cureFor(platform) },
    );
  }
}

/** Path of the addon that is, or would be, loaded. */
export function findAddonFile(): string {
  return nodeGypBuild.path(searchedFolder());
}

/** What is bundled counts only where no other folder was named. */
function isInBundle(): boolean {
  return isBundled() && process.env.PAGED_ATTENTION_PREBUILD === undefined;
}

function searchedFolder(): string {
  return process.env.PAGED_ATTENTION_PREBUILD ?? packageFolder();
}

/** As node-gyp-build reads it: npm sets this variable for `--arch`. */
function architecture(): string {
  return process.env.npm_config_arch ?? process.arch;
}

/** Places in the order in which they are looked at. */
function addonTries(file: string | undefined, message: string): AddonTry[] {
  const root = searchedFolder();
  const prebuilt = join('prebuilds', `${process.platform}-${architecture()}`);
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
  if (architecture() !== process.arch) {
    return `npm_config_arch asks for ${architecture()}, but this is Node for ${process.arch}: unset it`;
  }
  return platform === 'linux-x64' || platform === 'linux-arm64'
    ? 'install the package again, or build in a clone: npm run build:addon'
    : `no addon is prebuilt for ${platform}: build in a clone: npm run build:addon`;
}
