// The workflows of GitHub: actionlint where Go is there to build it, else at least a YAML parser, and only commands
// that exist.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { packageFolder } from './registry.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = join(root, '.github/workflows');
const actionlint = 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.7';

export async function checkWorkflows({ results }) {
  const files = readdirSync(folder).map((name) => join(folder, name));
  if (spawnSync('go', ['version']).status === 0) {
    const { status, stdout, stderr } = spawnSync('go', ['run', actionlint, ...files], {
      cwd: root,
      encoding: 'utf8',
    });
    results.check('actionlint', { status, text: stdout + stderr });
  } else {
    process.stdout.write('--  actionlint: not run, there is no Go to build it\n');
  }
  const { default: yaml } = await import(
    pathToFileURL(join(packageFolder('yaml'), 'dist/index.js'))
  );
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const file of files) {
    const lines = Object.values(yaml.parse(readFileSync(file, 'utf8')).jobs)
      .flatMap(({ steps }) => steps)
      .map(({ run = '' }) => run)
      .join('\n');
    const called = [...lines.matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(([, name]) => name);
    const programs = [...lines.matchAll(/(?<![\w/])((?:tools|test|\.ci)\/[\w./-]+)/g)].map(
      ([, path]) => path,
    );
    results.checkFaults(`${file.slice(root.length)} calls only what there is`, [
      ...called.filter((name) => !(name in scripts)).map((name) => `no script ${name}`),
      ...programs.filter((path) => !existsSync(join(root, path))).map((path) => `no ${path}`),
    ]);
  }
}
