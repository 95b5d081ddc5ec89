// `npm test`: runs every jest suite; `--full` widens the sweeps; other arguments go to jest.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const jestArguments = process.argv.slice(2).filter((argument) => argument !== '--full');
const isFull = process.argv.includes('--full');

const { status } = spawnSync(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
    ...jestArguments,
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, ...(isFull ? { PA_FULL: '1' } : {}) } },
);
process.exit(status ?? 1);
