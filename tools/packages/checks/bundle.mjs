// An application that esbuild made one file of: the addon goes along because it is required by a literal name, and
// what cannot be bundled (programs of Workers, the recall model) is found where the package is installed.

import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { quickstart, quickstartAnswers } from './programs.mjs';
import { binOf } from './registry.mjs';

/** docs/installation.md shows these, and a check holds it to that. */
const flags = ['--bundle', '--platform=node', '--loader:.node=copy', '--log-level=error'];
const requireInModules = [
  `import { createRequire as makeRequire } from 'node:module';`,
  'const require = makeRequire(import.meta.url);',
].join(' ');
const formats = {
  'one ES module': {
    output: 'app.mjs',
    flags: ['--format=esm', `--banner:js=${requireInModules}`],
  },
  'one CommonJS file': { output: 'app.cjs', flags: ['--format=cjs'], isCommonJs: true },
};

/** CommonJS has no await outside functions. */
const asFunction = (source) =>
  source.replace(/^(import .*)$/m, '$1\n(async () => {').concat('})();\n');

/** An installation whose addons were deleted; its other packages are links. */
function keepWithoutAddon(installed, folder) {
  const packages = join(folder, 'node_modules');
  mkdirSync(packages, { recursive: true });
  for (const name of readdirSync(join(installed, 'node_modules'))) {
    if (name === 'paged-attention') continue;
    symlinkSync(join(installed, 'node_modules', name), join(packages, name));
  }
  const ours = join(packages, 'paged-attention');
  cpSync(join(installed, 'node_modules/paged-attention'), ours, { recursive: true });
  rmSync(join(ours, 'prebuilds'), { recursive: true });
  return folder;
}

export function checkBundles({ results, machines, installed, work }) {
  const machine = machines.find(({ version }) => version.startsWith('v24.')) ?? machines[0];
  const page = readFileSync(new URL('../../../docs/installation.md', import.meta.url), 'utf8');
  results.checkFaults(
    'docs/installation.md shows the options of the bundle',
    [...flags.slice(0, -1), requireInModules].filter((flag) => !page.includes(flag)),
  );
  for (const [name, { output, flags: more, isCommonJs }] of Object.entries(formats)) {
    const folder = join(work, `bundle ${output}`);
    const entry = join(installed, 'to-bundle.mjs');
    writeFileSync(entry, isCommonJs ? asFunction(quickstart) : quickstart);
    const outcome = machine.run(
      machine.node,
      [binOf('esbuild'), entry, ...flags, ...more, `--outfile=${join(folder, output)}`],
      installed,
    );
    results.check(`esbuild: ${name}`, outcome);
    const addons = readdirSync(folder).filter((file) => /^node\.glibc.*\.node$/.test(file));
    results.checkFaults(
      `esbuild: ${name} has the addon beside it`,
      addons.length > 0 ? [] : readdirSync(folder),
    );
    const start = (environment) => machine.run(machine.node, [output], folder, { environment });
    const kept = keepWithoutAddon(installed, join(work, `kept ${output}`));
    results.check(
      `quickstart from ${name}, with the addon of the bundle`,
      start({ PAGED_ATTENTION_FOLDER: join(kept, 'node_modules/paged-attention') }),
      quickstartAnswers,
    );
    rmSync(kept, { recursive: true });
    results.check(`${name} says which folder it looked for`, start({}), (status, text) => {
      return status !== 0 && text.includes(join(folder, 'node_modules/paged-attention'));
    });
  }
}

/** Beside an installed package a bundle needs no variable. */
export function checkBundleBesidePackage({ results, machines, installed }) {
  const machine = machines.find(({ version }) => version.startsWith('v24.')) ?? machines[0];
  const entry = join(installed, 'to-bundle.mjs');
  writeFileSync(entry, quickstart);
  mkdirSync(join(installed, 'out'), { recursive: true });
  const esm = formats['one ES module'].flags;
  const output = join(installed, 'out/app.mjs');
  const outcome = machine.run(
    machine.node,
    [binOf('esbuild'), entry, ...flags, ...esm, `--outfile=${output}`],
    installed,
  );
  results.check('esbuild: a bundle beside the installed package', outcome);
  results.check(
    'quickstart from a bundle beside the installed package',
    machine.run(machine.node, [output], installed),
    quickstartAnswers,
  );
}
