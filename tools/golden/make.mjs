// Makes the golden files: `node tools/golden/make.mjs` all of them, `… make.mjs family template` those.
// Python's packages go into .cache/golden when they are not there.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const environment = `${root}.cache/golden`;
const scripts = {
  model: 'make_golden.py',
  family: 'make_family_goldens.py',
  template: 'make_template_goldens.py',
  recall: 'make_recall_golden.py',
  tokenizer: 'make_tokenizer_golden.py',
};

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status === 0) return;
  process.stderr.write(`failed: ${command} ${args.join(' ')}\n`);
  process.exit(1);
}

const names = process.argv.slice(2);
const unknown = names.find((name) => !Object.hasOwn(scripts, name));
if (unknown !== undefined) {
  process.stderr.write(`${unknown} is none of ${Object.keys(scripts).join(', ')}\n`);
  process.exit(1);
}
if (!existsSync(`${environment}/bin/transformers`)) {
  run('python3', ['-m', 'venv', environment]);
  run(`${environment}/bin/pip`, ['install', '--quiet', '-r', 'tools/golden/requirements.txt']);
}
for (const name of names.length > 0 ? names : Object.keys(scripts)) {
  run(`${environment}/bin/python`, [`tools/golden/${scripts[name]}`]);
}
const folders = ['test/model/golden', 'test/text/golden', 'test/text/templates'];
run(process.execPath, ['node_modules/@biomejs/biome/bin/biome', 'format', '--write', ...folders]);
