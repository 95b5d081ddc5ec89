// The kernels that cuda/ defines, read from the sources by the C++ preprocessor: no GPU compiler is
// needed, and instantiation lists that are written as macros count too.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deviceFiles, root } from './sources.mjs';

/** Stands in for both built-in headers: CU_KERNEL becomes a line that is easy to find. */
const markerHeader = `#pragma once
#define CU_KERNEL(name, body, Params, max_threads, min_ctas) \\
  PA_KERNEL_ENTRY[#name, #body, #Params, #max_threads, #min_ctas]
`;
const markerFolder = join(root, '.cache/cuda-payloads/kernel-list');

/** The fields of the kernel comments, in their order. */
export const commentFields = [
  'Shapes',
  'Grid',
  'Needs',
  'Moves',
  'Order',
  'Math',
  'Shared',
  'Source',
];

function preprocess(file) {
  const compiler = process.env.CXX ?? 'c++';
  const args = ['-E', '-P', '-x', 'c++', '-std=c++17', `-I${markerFolder}`, file];
  const { status, stdout, stderr, error } = spawnSync(compiler, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`${compiler} -E ${file}: ${error?.message ?? stderr}`);
  return stdout;
}

/**
 * Gives every kernel of a folder of device code, in the order of files and definitions.
 *
 * @returns `{ name, file, body, params, maxThreads }` per kernel; `body` is the function without
 *   template arguments and namespaces, `maxThreads` the source text of the bound
 */
export function listKernels(folder = join(root, 'cuda')) {
  mkdirSync(markerFolder, { recursive: true });
  for (const header of ['device.cuh', 'ptx.cuh']) {
    writeFileSync(join(markerFolder, header), markerHeader);
  }
  return deviceFiles(folder)
    .filter((file) => file.endsWith('.cu'))
    .flatMap((file) => {
      const entries = preprocess(join(folder, file)).matchAll(/PA_KERNEL_ENTRY(\[[^\]]*\])/g);
      return Array.from(entries, ([, json]) => {
        const [name, body, params, maxThreads] = JSON.parse(json);
        const bare = body.replace(/^\((.*)\)$/, '$1').replace(/<.*$/s, '');
        return { name, file, body: bare.split('::').at(-1).trim(), params, maxThreads };
      });
    });
}

/** Splits a comment's lines into what stands before the fields, and the fields. */
function parseComment(lines) {
  const comment = { summary: [] };
  let current = comment.summary;
  for (const line of lines) {
    const field = /^(\w+) {2,}(.*)$/.exec(line);
    if (field && commentFields.includes(field[1])) {
      current = [field[2]];
      comment[field[1]] = current;
    } else {
      current.push(current === comment.summary ? line : line.trim());
    }
  }
  return comment;
}

/** The comment lines directly above a line, template clauses between them passed over. */
function commentAbove(lines, line) {
  let end = line;
  while (end > 0 && !/^\s*\/\//.test(lines[end - 1]) && lines[end - 1].trim() !== '') end--;
  let start = end;
  while (start > 0 && /^\s*\/\//.test(lines[start - 1])) start--;
  return lines.slice(start, end).map((text) => text.replace(/^\s*\/\/ ?/, ''));
}

/**
 * Gives the comment above the definition of a kernel's body: the function of that name that takes
 * the kernel's parameters, in the kernel's own file or else in a header.
 *
 * @param kernel one of `listKernels()`
 * @returns `{ summary, Moves?, Shared?, … }`, each an array of lines; undefined when there is none
 */
export function commentOf({ file, body, params }, folder = join(root, 'cuda')) {
  const headers = deviceFiles(folder).filter((name) => name.endsWith('.cuh'));
  const definition = new RegExp(`^DEVICE\\s[^;{]*?\\b${body}\\(\\s*const ${params}\\s?&`, 'm');
  for (const name of [file, ...headers]) {
    const text = readFileSync(join(folder, name), 'utf8');
    const match = definition.exec(text);
    if (!match) continue;
    const line = text.slice(0, match.index).split('\n').length - 1;
    const comment = commentAbove(text.split('\n'), line);
    return comment.length > 0 ? parseComment(comment) : undefined;
  }
  return undefined;
}
