// Gives the README's set-up and test commands, so that CI runs what people read:
// `--names` lists them, one name a line; a name prints its command line.

import { readFileSync } from 'node:fs';

const names = { start: 'npm start', test: 'npm test' };
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const shellLines = [...readme.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, body]) =>
  body.split('\n'),
);

for (const [name, command] of Object.entries(names)) {
  const line = shellLines.find((text) => text.startsWith(command));
  if (line === undefined) {
    process.stderr.write(`README.md no longer shows \`${command}\` in a sh block\n`);
    process.exit(1);
  }
  names[name] = line.replace(/\s+#.*$/, '');
}

const wanted = process.argv[2];
if (wanted === '--names') process.stdout.write(`${Object.keys(names).join('\n')}\n`);
else process.stdout.write(`${names[wanted]}\n`);
