#!/usr/bin/env node
// Stands in for node-gyp when prebuildify builds: runs `cmake-js rebuild` into build/Release below the
// folder that prebuildify looks in, and passes on only the architecture, because cmake-js takes
// prebuildify's other options for make targets.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { processorOf } from './zig.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const architecture =
  process.argv
    .map((argument) => /^--(?:target_)?arch=(.+)$/.exec(argument)?.[1])
    .find((found) => found !== undefined) ?? process.arch;

const cross =
  process.env.PA_ZIG === undefined
    ? []
    : [
        `--CDCMAKE_CXX_COMPILER=${fileURLToPath(new URL('zig-c++', import.meta.url))}`,
        '--CDCMAKE_SYSTEM_NAME=Linux',
        `--CDCMAKE_SYSTEM_PROCESSOR=${processorOf(architecture)}`,
      ];

const { status } = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules/cmake-js/bin/cmake-js'),
    'rebuild',
    ...['--directory', root, '--out', join(process.cwd(), 'build')],
    ...['--arch', architecture, '--config', 'Release', ...cross],
  ],
  { cwd: root, stdio: 'inherit' },
);
process.exit(status ?? 1);
