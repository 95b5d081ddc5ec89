// What publishing tools and TypeScript make of the package: publint, attw, and consumers of every subpath.

import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { binOf, packageFolder } from './registry.mjs';

/** Oldest TypeScript that reads the declarations, and the one that writes them. */
const compilers = ['5.4.5', '6.0.3'];
const nodeTypes = '@types/node@20.19.43';

const consumer = (subpaths) => `${subpaths
  .map((subpath, i) => `import * as part${i} from '${subpath}';`)
  .join('\n')}
import { load } from 'paged-attention';
const llm = await load('recall', { contextLen: 1024 });
const { usage } = await llm.chat([{ role: 'user', content: 'Where does Omar live?' }]);
export const cached: number = usage.cachedTokens;
// @ts-expect-error there is no such option
await load('recall', { contextLength: 1024 });
export const parts: object[] = [${subpaths.map((_, i) => `part${i}`).join(', ')}];
await llm.close();
`;

/** publint and attw read the tarball. */
export function checkPublishing({ results, machines, tarballs }) {
  const machine = machines.find(({ version }) => version.startsWith('v24.')) ?? machines[0];
  const cwd = dirname(tarballs.core);
  const run = (program, args) => machine.run(machine.node, [program, ...args], cwd);
  for (const tarball of [tarballs.core, ...tarballs.kernels]) {
    results.check(
      `publint --strict ${tarball.slice(cwd.length + 1)}`,
      run(binOf('publint'), ['run', tarball, '--strict']),
      (status, text) => status === 0 && !/warning|suggestion/i.test(text),
    );
  }
  results.check(
    'attw --profile esm-only',
    run(binOf('@arethetypeswrong/cli', 'attw'), [tarballs.core, '--profile', 'esm-only']),
  );
}

/** A strict consumer that imports every subpath, under each compiler and both kinds of resolution. */
export function checkTypes({ results, machines, installed }) {
  const machine = machines.find(({ version }) => version.startsWith('v24.')) ?? machines[0];
  const manifest = join(installed, 'node_modules/paged-attention/package.json');
  const subpaths = Object.entries(JSON.parse(readFileSync(manifest, 'utf8')).exports)
    .filter(([, target]) => target.types !== undefined)
    .map(([subpath]) => join('paged-attention', subpath));
  writeFileSync(join(installed, 'consumer.mts'), consumer(subpaths));
  for (const version of compilers) {
    const typescript = packageFolder('typescript', version, [nodeTypes]);
    for (const [module, moduleResolution] of [
      ['nodenext', 'nodenext'],
      ['esnext', 'bundler'],
    ]) {
      const options = {
        strict: true,
        noEmit: true,
        target: 'es2022',
        lib: ['es2023', 'esnext.disposable'],
        module,
        moduleResolution,
        types: ['node'],
        typeRoots: [join(dirname(typescript), '@types')],
      };
      const project = join(installed, 'tsconfig.json');
      writeFileSync(project, JSON.stringify({ compilerOptions: options, files: ['consumer.mts'] }));
      results.check(
        `types of ${subpaths.length} subpaths, TypeScript ${version}, ${moduleResolution}`,
        machine.run(machine.node, [join(typescript, 'bin/tsc'), '-p', project], installed),
      );
    }
  }
}
