// The other package managers, as their users call them: each in an empty folder, then the quickstart there, and the
// packages of kernels beside it.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { quickstart, quickstartAnswers } from './programs.mjs';
import { binOf, versions } from './registry.mjs';

/** How each names a tarball that it installs, and starts a program; `settings` are files of the project. */
const managers = [
  { name: 'pnpm', bin: ['pnpm'], wanted: (_, tarball) => tarball },
  {
    name: 'pnpm',
    bin: ['pnpm'],
    wanted: (_, tarball) => tarball,
    // Packages stand outside of the project and see only what they ask for.
    settings: { 'pnpm-workspace.yaml': 'enableGlobalVirtualStore: true\n' },
  },
  { name: 'yarn', bin: ['yarn'], wanted: (_, tarball) => `file:${tarball}` },
  {
    name: '@yarnpkg/cli-dist',
    bin: ['@yarnpkg/cli-dist', 'yarn'],
    wanted: (name, tarball) => `${name}@file:${tarball}`,
    // No node_modules: packages stay in archives, those for one system are unpacked.
    settings: { '.yarnrc.yml': 'nodeLinker: pnp\n', 'yarn.lock': '' },
    start: ['node'],
  },
  {
    name: '@yarnpkg/cli-dist',
    bin: ['@yarnpkg/cli-dist', 'yarn'],
    wanted: (name, tarball) => `${name}@file:${tarball}`,
    settings: { '.yarnrc.yml': 'nodeLinker: node-modules\n', 'yarn.lock': '' },
  },
];

const environment = {
  // Yarn's newer line reads its settings from here; the older ignores them.
  YARN_ENABLE_GLOBAL_CACHE: 'true',
  YARN_ENABLE_TELEMETRY: '0',
  YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
  CI: 'true',
};

/** Prints the folders of kernels; those that are packages stand before others. */
const survey = `
import { surveyDevices } from 'paged-attention/device';
console.log(surveyDevices().payloadFolders.join('\\n'));
`;

/** One empty folder in which a package manager works. */
class Project {
  #machine;
  #manager;
  #folder;

  constructor(machine, manager, folder) {
    this.#machine = machine;
    this.#manager = manager;
    this.#folder = folder;
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), '{ "name": "user", "private": true }\n');
    for (const [file, text] of Object.entries(manager.settings ?? {})) {
      writeFileSync(join(folder, file), text);
    }
  }

  get title() {
    const { name, settings = {} } = this.#manager;
    const [setting] = Object.values(settings);
    return `${name} ${versions[name]}${setting === undefined ? '' : ` (${setting.trim()})`}`;
  }

  add(tarballs) {
    const wanted = tarballs.map((tarball) => this.#manager.wanted(packageOf(tarball), tarball));
    return this.#call(['add', ...wanted]);
  }

  /** Runs a program as a service starts it: from a working folder that is another one, where that is possible. */
  start(name, source) {
    const program = join(this.#folder, name);
    writeFileSync(program, source);
    const { start } = this.#manager;
    if (start !== undefined) return this.#call([...start, program]);
    return this.#machine.run(this.#machine.node, [program], '/', { environment });
  }

  #call(args) {
    const { node } = this.#machine;
    const program = binOf(...this.#manager.bin);
    return this.#machine.run(node, [program, ...args], this.#folder, { environment });
  }
}

/** Such as `@paged-attention/cuda-13`. */
function packageOf(tarball) {
  const [, major] = /-(cuda-\d+)-[^/]*$/.exec(tarball) ?? [];
  return major === undefined ? 'paged-attention' : `@paged-attention/${major}`;
}

/** Installs with each and runs the quickstart; then adds the kernels and looks where they are found. */
export function checkManagers({ results, machines, tarballs, work }) {
  const machine = machines.find(({ version }) => version.startsWith('v24.')) ?? machines[0];
  managers.forEach((manager, i) => {
    const project = new Project(machine, manager, join(work, `with manager ${i}`));
    const { title } = project;
    results.check(`${title}: ${basename(tarballs.core)}`, project.add([tarballs.core]));
    const answers = project.start('program.mjs', quickstart);
    results.check(`${title}: quickstart`, answers, quickstartAnswers);
    if (tarballs.kernels.length === 0 || process.arch !== 'x64') return;
    results.check(`${title}: packages of kernels`, project.add(tarballs.kernels));
    // The driver reads files: what stands in an archive it does not see.
    results.check(
      `${title}: kernels are found, as files`,
      project.start('survey.mjs', survey),
      (status, text) => {
        const places = text.split('\n').filter((place) => existsSync(join(place, 'payload.json')));
        return status === 0 && places.length >= tarballs.kernels.length;
      },
    );
  });
}
