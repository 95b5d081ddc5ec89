// Tests as the bundle has them: compiled, and with the library's compiled form in place of its source.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { root } from '../cuda/sources.mjs';

const compilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
};

/** JavaScript of one test file; `../../lib/x.js` becomes `../../dist/x.js`. */
export function compileTest(source, fileName) {
  const { outputText } = ts.transpileModule(source, { fileName, compilerOptions });
  return outputText.replaceAll(/(['"](?:\.\.\/)+)lib\//g, '$1dist/');
}

/** Compiles the tests of a folder into the bundle, with the data that lies beside them. */
export function copyTests(bundle, folder = 'test') {
  const isLeftOut = /^(native|emulation|docs|setup)\//;
  for (const name of readdirSync(join(root, folder), { recursive: true })) {
    if (isLeftOut.test(name) || name.endsWith('.d.mts')) continue;
    const isSource = name.endsWith('.ts');
    if (!isSource && !/\.(mjs|json|jsonl|jinja|txt)$/.test(name)) continue;
    const content = readFileSync(join(root, folder, name));
    const target = join(bundle, folder, isSource ? name.replace(/\.ts$/, '.js') : name);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, isSource ? compileTest(content.toString(), name) : content);
  }
}
