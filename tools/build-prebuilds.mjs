// `npm run build:prebuilds`: puts the native addon into prebuilds/<platform>-<arch>/ by prebuildify,
// through cmake-js (tools/node-gyp-shim.mjs), where node-gyp-build finds it at run time.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const shim = fileURLToPath(new URL('node-gyp-shim.mjs', import.meta.url));

const { status } = spawnSync(
  process.execPath,
  [
    'node_modules/prebuildify/bin.js',
    '--napi',
    '--strip',
    '--name',
    'node',
    '--tag-libc',
    '--node-gyp',
    shim,
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, PREBUILD_NODE_GYP: shim } },
);
process.exit(status ?? 1);
