// The packages of CUDA kernels: data only, found beside the core that they were made with, and used where there is a
// GPU.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { npmInstall } from './installs.mjs';
import { binOf } from './registry.mjs';
import { bytesBelow, checkAtMost, mostBytes } from './sizes.mjs';

export function checkKernels({ results, machines, tarballs, work }) {
  if (tarballs.kernels.length === 0) {
    process.stdout.write('--  no packages of CUDA kernels were packed\n');
    return;
  }
  const folder = join(work, 'with kernels');
  const outcome = npmInstall(machines[0], folder, [tarballs.core, ...tarballs.kernels]);
  if (process.arch !== 'x64') {
    results.check(
      'npm refuses kernels on another processor than theirs',
      outcome,
      (status, text) => {
        return status !== 0 && text.includes('EBADPLATFORM');
      },
    );
    return;
  }
  results.check('npm i of the package and of the kernels', outcome);
  const scope = join(folder, 'node_modules/@paged-attention');
  for (const name of readdirSync(scope)) checkContents(results, join(scope, name));
  checkDoctor(results, machines[0], folder);
}

/** What is in an installed package of kernels, and how much of it. */
function checkContents(results, folder) {
  const { images } = JSON.parse(readFileSync(join(folder, 'payload.json'), 'utf8'));
  const { name, scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const archs = images.map(({ arch }) => arch).join(', ');
  const wanted = ['LICENSE', 'README.md', 'package.json', 'payload.json'];
  for (const { file } of images) wanted.push(file);
  results.checkFaults(`${name} holds images for ${archs}, and no code`, [
    ...(scripts === undefined ? [] : ['it has scripts']),
    ...readdirSync(folder).filter((file) => !wanted.includes(file)),
    ...wanted.filter((file) => !readdirSync(folder).includes(file)),
  ]);
  checkAtMost(results, `${name}, installed`, bytesBelow(folder), mostBytes.kernels);
}

/** What `doctor` says where kernels are installed: they are the addon's own, and the GPU uses them or is not there. */
function checkDoctor(results, machine, folder) {
  const npx = [binOf('npm', 'npx'), '--no-install', 'paged-attention', 'doctor'];
  results.check('npx paged-attention doctor', machine.run(machine.node, npx, folder), [
    ...readdirSync(join(folder, 'node_modules/@paged-attention')).map((name) => {
      return new RegExp(
        `^ok {4}kernels .*${folder}/node_modules/@paged-attention/${name}: CUDA`,
        'm',
      );
    }),
    /^(?:ok {4}gpu .*(?=\n)|note {2}gpu .*no CUDA driver.*\n +-> .*install its driver)/m,
  ]);
  const { status, text } = machine.run(machine.node, [...npx, '--json'], folder);
  const { findings } = JSON.parse(text);
  const { facts } = findings.find(({ name }) => name === 'kernels');
  const named = facts.tries.map(({ folder: place }) => place);
  results.check(
    'npx paged-attention doctor --json names packages of kernels, the newest first, before others',
    { status, text: named.join('\n') },
    () =>
      /^[^\n]*@paged-attention\/cuda-13\n[^\n]*@paged-attention\/cuda-12\n/.test(named.join('\n')),
  );
}
