// `npm test`: runs every jest suite; `--full` widens the sweeps to a share of their products that the
// run's seed chooses, `--full=all` to all of them; other arguments go to jest.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const extents = { '--full': '1', '--full=all': 'all' };
const givenArguments = process.argv.slice(2);
const jestArguments = givenArguments.filter((argument) => !(argument in extents));
const extent = givenArguments.map((argument) => extents[argument]).findLast(Boolean);

const { status } = spawnSync(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
    ...jestArguments,
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...(extent === undefined ? {} : { PA_FULL: extent }) },
  },
);
process.exit(status ?? 1);
