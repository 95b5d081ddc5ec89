// The command line of tools/cuda-toolkit; its options are explained there.

import { parseArgs } from 'node:util';
import { findToolkits } from './toolkit.mjs';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    'no-install': { type: 'boolean', default: false },
    nvcc: { type: 'boolean', default: false },
  },
});

/** One line for people: what compiles this major version, or why nothing does. */
function describe({ major, toolkit, missing }) {
  if (!toolkit) return `CUDA ${major}: none: ${missing}`;
  return `CUDA ${major}: ${toolkit.kind} ${toolkit.version} (${toolkit.origin}) ${toolkit.compiler}`;
}

const choices = findToolkits({ canInstall: !values['no-install'] });
const nvcc = choices.find(({ toolkit }) => toolkit?.kind === 'nvcc')?.toolkit;
if (values.nvcc) {
  if (nvcc) process.stdout.write(`${nvcc.compiler}\n`);
  else process.stderr.write(`${choices.map(describe).join('\n')}\n`);
} else if (values.json) {
  process.stdout.write(`${JSON.stringify(choices, null, 2)}\n`);
} else {
  process.stdout.write(`${choices.map(describe).join('\n')}\n`);
}
const hasWanted = values.nvcc ? nvcc : choices.some(({ toolkit }) => toolkit);
process.exit(hasWanted ? 0 : 1);
