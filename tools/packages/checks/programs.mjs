// What is run where the package was installed: the README's first program, and small ones that go wrong on purpose.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The README's first program, which is the quickstart. */
export const quickstart = readFileSync(join(root, 'README.md'), 'utf8').match(
  /^```(?:js|ts)\n([\s\S]*?)^```/m,
)[1];

/** What it prints: the second answer came with tokens that the first had computed. */
export const quickstartAnswers = [/^4217 0$/m, /^Lisbon [1-9]\d*$/m];

/** A program that prints the code and message of what an expression throws. */
export const refusalOf = (expression) => `
import { load } from 'paged-attention';
try { ${expression} } catch (error) { console.log(error.code, error.message, error.hint ?? ''); }
`;

export const required = `
const { load } = require('paged-attention');
load().then((llm) => llm.close()).then(() => console.log('closed'));
`;

/** Runs a program in a folder of a machine. */
export function runProgram(machine, folder, source, { extension = 'mjs', environment } = {}) {
  const name = `program.${extension}`;
  writeFileSync(join(folder, name), source);
  return machine.run(machine.node, [name], folder, { environment });
}
