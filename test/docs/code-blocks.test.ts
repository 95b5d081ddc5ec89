import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { type Block, blocksOf, showsLine } from './blocks.js';

/** Commands that set the clone up; .ci/run runs them themselves, from the README. */
const setUpCommands = [/^git clone /, /^cd /, /^npm start\b/, /^npm test\b/, /^npm run bench/];

const pages = ['README.md', ...readdirSync('docs').map((name) => `docs/${name}`)].filter(
  (page) => page.endsWith('.md') && existsSync(page),
);
const blocks = pages.flatMap(blocksOf);
const scripts = blocks.filter(({ language }) => ['js', 'mjs', 'ts'].includes(language));
const shells = blocks.filter(({ language }) => language === 'sh');

/** Node binaries to run scripts on: this one, and those that PA_NODES names, separated by colons. */
const nodes = [process.execPath, ...(process.env.PA_NODES ?? '').split(':').filter(Boolean)];

function runBlock(block: Block, node: string): string {
  const folder = 'build/docs-blocks';
  mkdirSync(folder, { recursive: true });
  const file = `${folder}/${block.page.replace(/\W/g, '-')}-${block.line}.mjs`;
  writeFileSync(file, block.body);
  return output(spawnSync(node, [file], { encoding: 'utf8', timeout: 120_000 }));
}

function output(result: { status: number | null; stdout: string; stderr: string }): string {
  const text = result.stdout + result.stderr;
  if (result.status !== 0) throw new Error(`exit code ${result.status}:\n${text}`);
  return text;
}

function missingLines(text: string, block: Block): string[] {
  return block.expected.filter((line) => !showsLine(text, line));
}

describe('code blocks of README and docs', () => {
  test('there are some, and the README shows at least one', () => {
    expect(scripts.length).toBeGreaterThan(0);
    expect(scripts.some(({ page }) => page === 'README.md')).toBe(true);
  });

  const cases = scripts.flatMap((block) =>
    nodes.map((node, i) => ({
      name: `${block.page}:${block.line}`,
      node: `node ${i}`,
      block,
      path: node,
    })),
  );
  test.each(cases)(
    '$name runs as it stands on $node',
    ({ block, path }) => {
      const text = runBlock(block, path);
      expect({ text, missing: missingLines(text, block) }).toMatchObject({ missing: [] });
    },
    150_000,
  );

  const commands = shells.map((block) => ({
    name: `${block.page}:${block.line}`,
    block,
    lines: block.body
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, '').trim())
      .filter((line) => line !== '' && !setUpCommands.some((pattern) => pattern.test(line))),
  }));
  test.each(commands.filter(({ lines }) => lines.length > 0))(
    'the commands of $name print what the page shows',
    ({ block, lines }) => {
      const text = lines
        .map((line) =>
          output(spawnSync('bash', ['-c', line], { encoding: 'utf8', timeout: 120_000 })),
        )
        .join('\n');
      expect({ text, missing: missingLines(text, block) }).toMatchObject({ missing: [] });
    },
    150_000,
  );
});
