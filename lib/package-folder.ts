import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const name = 'paged-attention';
/** Undefined in a bundle that a bundler wrote as CommonJS. */
const here: string | undefined = import.meta.url;

let found: { readonly folder: string; readonly isBundled: boolean } | undefined;

/**
 * Where this package's files are: addons, the recall model, the programs of Workers.
 *
 * That is one folder up from this file. In a bundle this code stands elsewhere, and the folder is the one that
 * `PAGED_ATTENTION_FOLDER` names, or where the package is installed for the bundle or for the working folder;
 * where it would be if it is not.
 */
export function packageFolder(): string {
  found ??= find();
  return found.folder;
}

/** Whether a bundler has put this code into another file. */
export function isBundled(): boolean {
  found ??= find();
  return found.isBundled;
}

/** The program of a Worker, such as `text/worker.js`. */
export function workerProgram(path: string): URL {
  return pathToFileURL(join(packageFolder(), 'dist', path));
}

function find(): { folder: string; isBundled: boolean } {
  const own = here === undefined ? undefined : fileURLToPath(new URL('..', here));
  if (own !== undefined && nameOf(own) === name) return { folder: own, isBundled: false };
  return { folder: process.env.PAGED_ATTENTION_FOLDER ?? installed(), isBundled: true };
}

function nameOf(folder: string): unknown {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).name;
  } catch {
    return undefined;
  }
}

function installed(): string {
  for (const from of [here, process.argv[1], join(process.cwd(), 'package.json')]) {
    try {
      if (from) return dirname(createRequire(from).resolve(`${name}/package.json`));
    } catch {
      // Not installed there.
    }
  }
  return join(process.cwd(), 'node_modules', name);
}
