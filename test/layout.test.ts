import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { listFiles } from './setup/list-files.js';

/** Which folders of lib/ each folder may import; arrows point down only (docs/architecture.md). */
const floors: Record<string, readonly string[]> = {
  errors: [],
  'package-folder': [],
  // addon.cjs has the requires that bundlers read.
  device: ['package-folder', 'errors', 'addon.cjs'],
  kv: ['errors'],
  gguf: ['errors'],
  text: ['gguf', 'package-folder', 'errors'],
  grammar: ['text', 'package-folder', 'errors'],
  model: ['device', 'gguf', 'errors'],
  engine: ['model', 'kv', 'text', 'grammar', 'device', 'errors'],
  hub: ['errors'],
  llm: ['hub', 'engine', 'model', 'kv', 'text', 'grammar', 'device', 'package-folder', 'errors'],
  cli: ['llm', 'hub', 'text', 'device', 'errors'],
  index: ['hub', 'llm', 'engine', 'model', 'kv', 'text', 'grammar', 'device', 'errors'],
};

/** Packages that a folder may import beside node:*; kv/ is pure bookkeeping. */
const packages: Record<string, readonly string[]> = {
  device: ['node-gyp-build'],
  text: ['tokenizers', '@huggingface/jinja'],
  grammar: ['@mlc-ai/web-xgrammar'],
  hub: ['@huggingface/hub'],
  cli: ['commander'],
};

/** What C++ files of a folder may include with quotes, beside files of their own folder. */
const nativeFloors: Record<string, readonly string[]> = {
  cuda: [],
  'addon/cpu': ['addon/backend.h', 'addon/status.h', 'cuda/params.h'],
  // Kernels have parameter structs of their own beside params.h.
  'addon/cuda': ['addon/backend.h', 'addon/status.h', 'addon/float_types.h', 'cuda/'],
  addon: ['addon/cpu', 'cuda/params.h'],
};

const folderOf = (path: string): string =>
  path
    .replace(/^lib\//, '')
    .replace(/\.ts$/, '')
    .split('/')[0];

function importsOf(path: string): string[] {
  const source = readFileSync(path, 'utf8');
  const statements = source.matchAll(
    /^\s*(?:import|export)\s[^;]*?from\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
  );
  return [...statements].map(([, named, dynamic]) => named ?? dynamic);
}

describe('layout of lib/', () => {
  const files = listFiles('lib').filter((path) => path.endsWith('.ts'));

  test('every folder of lib/ stands on a floor', () => {
    const unknown = files.map(folderOf).filter((folder) => !(folder in floors));
    expect(unknown).toEqual([]);
  });

  test('imports point down the floors only', () => {
    const upward = files.flatMap((path) =>
      importsOf(path)
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) =>
          folderOf(posix.join(posix.dirname(path), specifier.replace(/\.js$/, ''))),
        )
        .filter((target) => target !== folderOf(path) && !floors[folderOf(path)].includes(target))
        .map((target) => `${path} -> ${target}`),
    );
    expect(upward).toEqual([]);
  });

  test('packages are imported only where they belong', () => {
    const strays = files.flatMap((path) =>
      importsOf(path)
        .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
        .filter((specifier) => !(packages[folderOf(path)] ?? []).includes(specifier))
        .map((specifier) => `${path} -> ${specifier}`),
    );
    expect(strays).toEqual([]);
  });

  test('other folders are entered through their index.ts', () => {
    const deep = files.flatMap((path) =>
      importsOf(path)
        .filter((specifier) => /^\.\.\/[a-z]+\/(?!index\.js$)/.test(specifier))
        .map((specifier) => `${path} -> ${specifier}`),
    );
    expect(deep).toEqual([]);
  });

  test('every folder has an index.ts', () => {
    const folders = [...new Set(files.map(folderOf))].filter(
      (name) => !['errors', 'package-folder', 'index'].includes(name),
    );
    expect(folders.filter((name) => !existsSync(`lib/${name}/index.ts`))).toEqual([]);
  });

  test('no file has more than 400 lines', () => {
    const sources = ['lib', 'addon', 'cuda', 'test', 'tools', 'bench']
      .filter((folder) => existsSync(folder))
      .flatMap(listFiles)
      .filter((path) => /\.(ts|mjs|h|cpp|cu|cuh|py)$/.test(path));
    const long = sources.filter((path) => readFileSync(path, 'utf8').split('\n').length > 401);
    expect(long).toEqual([]);
  });

  test('no module waits at its top level', () => {
    const waiting = files.filter((path) =>
      /^(?:const .*= )?await /m.test(readFileSync(path, 'utf8')),
    );
    expect(waiting).toEqual([]);
  });
});

describe('layout of native code', () => {
  const nativeFolders = Object.keys(nativeFloors).filter((folder) => existsSync(folder));
  const files = ['addon', 'cuda']
    .flatMap(listFiles)
    .filter((path) => /\.(h|cpp|cu|cuh|inc)$/.test(path));
  const folderOfNative = (path: string): string =>
    nativeFolders
      .filter((folder) => path.startsWith(`${folder}/`))
      .sort((a, b) => b.length - a.length)[0];

  test('includes point down only', () => {
    const upward = files.flatMap((path) => {
      const includes = [...readFileSync(path, 'utf8').matchAll(/^#include "([^"]+)"/gm)];
      return includes
        .map(([, included]) => resolveInclude(path, included))
        .filter((target) => folderOfNative(target) !== folderOfNative(path))
        .filter(
          (target) =>
            !nativeFloors[folderOfNative(path)].some((allowed) => target.startsWith(allowed)) ||
            (target.startsWith('cuda/') && !target.endsWith('params.h')),
        )
        .map((target) => `${path} -> ${target}`);
    });
    expect(upward).toEqual([]);
  });
});

function resolveInclude(path: string, included: string): string {
  const beside = posix.join(posix.dirname(path), included);
  if (existsSync(beside)) return beside;
  return existsSync(included) ? included : posix.join('addon', included);
}
