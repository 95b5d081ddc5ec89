import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** As GitHub names a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');

function anchorsOf(page: string): string[] {
  const headings = readFileSync(page, 'utf8').matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, heading]) => anchorOf(heading));
}

/** Targets of links and images that are not on another host, outside of code. */
function linksOf(page: string): string[] {
  const text = readFileSync(page, 'utf8').replaceAll(/```[\s\S]*?```|`[^`\n]*`/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
}

/** Links that lead nowhere. */
function brokenLinks(page: string): string[] {
  return linksOf(page).filter((link) => {
    const [path, anchor] = link.split('#');
    const target = path === '' ? page : posix.join(posix.dirname(page), path);
    if (!existsSync(target)) return true;
    return anchor !== undefined && !anchorsOf(target).includes(anchor);
  });
}

describe('links of README and docs', () => {
  test('there are some', () => {
    expect(pages.flatMap(linksOf).length).toBeGreaterThan(20);
  });

  test('every page of docs/ is on its first page', () => {
    const onFirstPage = linksOf('docs/README.md').map((link) => `docs/${link}`);
    const others = pages.filter(
      (page) => /^docs\/[^/]+\.md$/.test(page) && page !== 'docs/README.md',
    );
    expect(others.filter((page) => !onFirstPage.includes(page))).toEqual([]);
  });

  test('every example is there too', () => {
    const linked = linksOf('docs/README.md').map((link) => link.replace('../', ''));
    const examples = readdirSync('examples').filter((name) => name.endsWith('.mjs'));
    expect(examples.filter((name) => !linked.includes(`examples/${name}`))).toEqual([]);
  });

  test.each(pages)('those of %s lead somewhere', (page) => {
    expect(brokenLinks(page)).toEqual([]);
  });
});
