// `npm run first-minutes`: what a stranger waits for until the first answer, by the clock. Clones this repository's last
// commit into an empty folder and runs `npm start` there; installs the packed tarball in another and runs the README's
// quickstart. No cache of npm or of a compiler is used. Fails past five minutes, or when an answer is not the right one.
// `-- --tarball FILE` takes a tarball that is there; otherwise `npm run pack:local` makes it first, untimed.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const limitSeconds = 300;
const { values: options } = parseArgs({ options: { tarball: { type: 'string' } } });
const folder = mkdtempSync(join(tmpdir(), 'first-minutes-'));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const [, quickstart] = readme.match(/^```js\n([\s\S]*?)^```/m);

/** A stranger's environment: nothing that a compiler or npm kept from before. */
const environment = { ...process.env, npm_config_cache: join(folder, 'npm-cache') };
for (const name of Object.keys(environment)) {
  if (/^(?:CCACHE|CMAKE_|npm_(?:config_(?!cache)|package|lifecycle))/i.test(name)) {
    delete environment[name];
  }
}

/** Runs one command of the stranger; gives its output and ends everything when it fails. */
function run(command, args, cwd) {
  const result = spawnSync(command, args, { cwd, env: environment, encoding: 'utf8' });
  const output = `${result.stdout}${result.stderr}`;
  if (result.status === 0) return output;
  throw new Error(`${command} ${args.join(' ')} ended with ${result.status}:\n${output}`);
}

/** Times a way to the first answer. */
function time(name, steps, answer) {
  const startedMs = performance.now();
  const parts = steps.map(([title, ...command]) => {
    const stepMs = performance.now();
    const output = run(...command);
    return { title, output, seconds: (performance.now() - stepMs) / 1000 };
  });
  const seconds = (performance.now() - startedMs) / 1000;
  if (!answer.test(parts.at(-1).output)) {
    throw new Error(`${name} gave no right answer:\n${parts.at(-1).output}`);
  }
  const detail = parts.map((part) => `${part.title} ${part.seconds.toFixed(1)} s`).join(', ');
  console.log(`${name}: ${seconds.toFixed(0)} s (${detail})`);
  if (seconds > limitSeconds) throw new Error(`${name} took more than ${limitSeconds} s`);
}

/** The package's tarball: the one that was named, or a fresh one. */
function findTarball() {
  if (options.tarball !== undefined) return resolve(options.tarball);
  const { status } = spawnSync('npm', ['run', '-s', 'pack:local'], { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error('npm run pack:local failed');
  const tarballs = join(root, 'build/tarballs');
  return join(
    tarballs,
    readdirSync(tarballs).find((name) => /^paged-attention-\d/.test(name)),
  );
}

try {
  const tarball = findTarball();
  if (!existsSync(tarball)) throw new Error(`there is no ${tarball}`);
  console.log(`${cpus()[0].model}, ${availableParallelism()} cores, Node ${process.version}`);
  const [clone, project] = [join(folder, 'clone'), folder];
  writeFileSync(join(project, 'package.json'), '{"private":true}');
  writeFileSync(join(project, 'quickstart.mjs'), quickstart);
  time(
    'install and quickstart',
    [
      ['npm i', 'npm', ['install', '--no-audit', '--no-fund', tarball], project],
      ['answer', process.execPath, ['quickstart.mjs'], project],
    ],
    /^4217 0\nLisbon [1-9]\d*$/m,
  );
  time(
    'clone and npm start',
    [
      ['clone', 'git', ['clone', '-q', '--no-hardlinks', root, clone], folder],
      ['npm start', 'npm', ['start'], clone],
    ],
    /Ann .* right [\s\S]*Ben .* right [\s\S]* were skipped/,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
