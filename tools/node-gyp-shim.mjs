#!/usr/bin/env node
// Stands in for node-gyp when prebuildify builds: runs `cmake-js rebuild` and passes on only the
// architecture, because cmake-js takes prebuildify's other options for make targets.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const architecture = process.argv
  .map((argument) => /^--(?:target_)?arch=(.+)$/.exec(argument)?.[1])
  .find((found) => found !== undefined);

const { status } = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules/cmake-js/bin/cmake-js'),
    'rebuild',
    '--arch',
    architecture ?? process.arch,
    '--config',
    'Release',
  ],
  { cwd: root, stdio: 'inherit' },
);
process.exit(status ?? 1);
