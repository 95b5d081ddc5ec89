// An old distribution: Debian bullseye (glibc 2.31) by debootstrap, with an official Node 20 and nothing else put in.
// npm installs the tarball there, and the quickstart runs. Needs root, and `apt-get install debootstrap`.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quickstart, quickstartAnswers } from './programs.mjs';
import { findNode, packageFolder } from './registry.mjs';

const base = fileURLToPath(new URL('../../../.cache/package-checks/bullseye', import.meta.url));
const mirror = 'http://deb.debian.org/debian';
const nodeVersion = '20.20.2';
/** Of one command. */
const timeoutMs = 300_000;

function call(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: timeoutMs,
    ...options,
  });
  return { status, text: `${stdout}${stderr}${error?.message ?? ''}` };
}

/** The distribution's files, made once; what a check adds goes into a copy. */
function debootstrap() {
  if (existsSync(base)) return { status: 0, text: '' };
  const fresh = `${base}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  const outcome = call('debootstrap', ['--variant=minbase', 'bullseye', fresh, mirror]);
  if (outcome.status === 0) renameSync(fresh, base);
  else rmSync(fresh, { recursive: true, force: true });
  return outcome;
}

export function checkBullseye({ results, tarballs, work }) {
  if (!results.check('debootstrap bullseye', debootstrap())) return;
  const system = join(work, 'bullseye');
  // Device files too.
  if (!results.check('a copy of bullseye', call('cp', ['-a', base, system]))) return;
  cpSync(findNode(nodeVersion), join(system, 'usr/local/bin/node'));
  cpSync(packageFolder('npm'), join(system, 'opt/npm'), { recursive: true });
  cpSync('/etc/resolv.conf', join(system, 'etc/resolv.conf'), { dereference: true });
  const user = join(system, 'home/user');
  mkdirSync(user);
  cpSync(tarballs.core, join(user, basename(tarballs.core)));
  writeFileSync(join(user, 'package.json'), '{ "private": true }\n');
  writeFileSync(join(user, 'program.mjs'), quickstart);

  const certificates = process.env.NODE_EXTRA_CA_CERTS;
  if (certificates) cpSync(certificates, join(system, 'opt/certificates.crt'));
  const variables = [
    'PATH=/usr/local/bin:/usr/bin:/bin',
    ...(certificates ? ['NODE_EXTRA_CA_CERTS=/opt/certificates.crt'] : []),
  ];
  // A namespace of its own, so that nothing stays mounted.
  const enter = ['--mount', '--propagation', 'private', 'sh', '-c'];
  const script = `mount -t proc proc "$0/proc" && exec chroot "$0" /usr/bin/env -i HOME=/root "$@"`;
  const inside = (line) => {
    const command = [...variables, 'sh', '-c', `cd /home/user && ${line}`];
    return call('unshare', [...enter, script, system, ...command]);
  };
  results.check(
    'bullseye: glibc 2.31, and no compiler',
    inside('ldd --version; which cc g++ make python3 || true'),
    ['GLIBC 2.31'],
  );
  results.check(
    `bullseye: npm i, Node ${nodeVersion}`,
    inside(
      `node /opt/npm/bin/npm-cli.js install --no-audit --no-fund ./${basename(tarballs.core)}`,
    ),
  );
  results.check('bullseye: quickstart', inside('node program.mjs'), quickstartAnswers);
  results.check('bullseye: doctor', inside('node_modules/.bin/paged-attention doctor'), [
    'ok    self-test',
  ]);
}
