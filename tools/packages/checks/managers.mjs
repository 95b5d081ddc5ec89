// The other package managers, as their users call them: each in an empty folder, then the quickstart there.

import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { quickstart, quickstartAnswers, runProgram } from './programs.mjs';
import { binOf, versions } from './registry.mjs';

/** How each installs a tarball and starts a program. */
const managers = [
  { name: 'pnpm', bin: ['pnpm'], add: (tarball) => ['add', tarball] },
  { name: 'yarn', bin: ['yarn'], add: (tarball) => ['add', `file:${tarball}`] },
  {
    name: '@yarnpkg/cli-dist',
    bin: ['@yarnpkg/cli-dist', 'yarn'],
    add: (tarball) => ['add', `paged-attention@file:${tarball}`],
    // No node_modules: packages stay in archives, those with an addon are unpacked.
    setting: 'nodeLinker: pnp\n',
    start: ['node'],
  },
  {
    name: '@yarnpkg/cli-dist',
    bin: ['@yarnpkg/cli-dist', 'yarn'],
    add: (tarball) => ['add', `paged-attention@file:${tarball}`],
    setting: 'nodeLinker: node-modules\n',
  },
];

/** Installs with each and runs the quickstart. */
export function checkManagers({ results, machines, tarballs, work }) {
  const machine = machines.find(({ version }) => version.startsWith('v24.')) ?? machines[0];
  managers.forEach(({ name, bin, add, setting = '', start }, i) => {
    const folder = join(work, `with manager ${i}`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), '{ "name": "user", "private": true }\n');
    const environment = {
      // Yarn's newer line reads its settings from here; the older ignores them.
      YARN_ENABLE_GLOBAL_CACHE: 'true',
      YARN_ENABLE_TELEMETRY: '0',
      YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
      CI: 'true',
    };
    if (setting !== '') {
      writeFileSync(join(folder, '.yarnrc.yml'), setting);
      writeFileSync(join(folder, 'yarn.lock'), '');
    }
    const program = binOf(...bin);
    const call = (args) => machine.run(machine.node, [program, ...args], folder, { environment });
    const title = `${name} ${versions[name]}${setting === '' ? '' : ` (${setting.trim()})`}`;
    results.check(`${title}: ${basename(tarballs.core)}`, call(add(tarballs.core)));
    if (start === undefined) {
      results.check(
        `${title}: quickstart`,
        runProgram(machine, folder, quickstart),
        quickstartAnswers,
      );
      return;
    }
    writeFileSync(join(folder, 'program.mjs'), quickstart);
    results.check(`${title}: quickstart`, call([...start, 'program.mjs']), quickstartAnswers);
  });
}
