import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const drawn = 'build/docs-figures';
const committed = readdirSync('docs/figures').toSorted();
const page = readFileSync('docs/concepts.md', 'utf8');

describe('the figures of docs/concepts.md', () => {
  beforeAll(() => {
    execFileSync(process.execPath, ['tools/figures/draw.mjs', drawn]);
  });

  test('are four, and the page shows each', () => {
    expect(readdirSync(drawn).toSorted()).toEqual(committed);
    const shown = [...page.matchAll(/\(figures\/(\S+)\)/g)].map(([, name]) => name);
    expect(shown.toSorted()).toEqual(committed);
  });

  test.each(committed)('%s is what the script draws from the allocator and the cache', (name) => {
    const fresh = readFileSync(`${drawn}/${name}`, 'utf8');
    expect(readFileSync(`docs/figures/${name}`, 'utf8')).toBe(fresh);
  });

  test('are legible on a light and on a dark ground: no ground of their own, no black or white', () => {
    for (const name of committed) {
      const svg = readFileSync(`docs/figures/${name}`, 'utf8');
      expect(svg).not.toMatch(/#(?:000|fff)\b|#(?:000000|ffffff)|"(?:black|white)"/i);
    }
  });
});
