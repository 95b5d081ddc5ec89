// The packages of CUDA kernels: data only, found beside the core that they were made with.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { npmInstall } from './installs.mjs';
import { runProgram } from './programs.mjs';

const survey = `
import { surveyDevices } from 'paged-attention/device';
console.log(surveyDevices().payloadFolders.join('\\n'));
`;

export function checkKernels({ results, machines, tarballs, work }) {
  if (tarballs.kernels.length === 0) {
    process.stdout.write('--  no packages of CUDA kernels were packed\n');
    return;
  }
  const folder = join(work, 'with kernels');
  const outcome = npmInstall(machines[0], folder, [tarballs.core, ...tarballs.kernels]);
  results.check('npm i of the package and of the kernels', outcome);
  const scope = join(folder, 'node_modules/@paged-attention');
  for (const name of readdirSync(scope)) {
    const installed = join(scope, name);
    const { images } = JSON.parse(readFileSync(join(installed, 'payload.json'), 'utf8'));
    const { scripts } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    const wanted = ['LICENSE', 'README.md', 'package.json', 'payload.json'];
    for (const { file } of images) wanted.push(file);
    results.checkFaults(`@paged-attention/${name} holds ${images.length} images and no code`, [
      ...(scripts === undefined ? [] : ['it has scripts']),
      ...readdirSync(installed).filter((file) => !wanted.includes(file)),
      ...wanted.filter((file) => !readdirSync(installed).includes(file)),
    ]);
    results.check(
      `@paged-attention/${name} is looked into`,
      runProgram(machines[0], folder, survey),
      [installed],
    );
  }
}
