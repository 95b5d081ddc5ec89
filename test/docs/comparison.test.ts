import { readFileSync } from 'node:fs';

const page = readFileSync('docs/comparison.md', 'utf8');
const log = readFileSync('bench/log.md', 'utf8');

describe('the comparison with other engines', () => {
  test('names a source for what it says, and every source is used', () => {
    const defined = [...page.matchAll(/^\[([\w-]+)\]: https:\/\/\S+$/gm)].map(([, name]) => name);
    const used = [...page.matchAll(/\]\[([\w-]+)\]/g)].map(([, name]) => name);
    expect([...new Set(used)].toSorted()).toEqual(defined.toSorted());
  });

  test('has no measured number that the log of benchmarks has not', () => {
    const [, measured] = page.split('## Where this is better, measured');
    const cells = measured
      .split('\n')
      .filter((line) => line.startsWith('|') && /\d/.test(line))
      .flatMap((line) => line.split('|').slice(3, 5))
      .map((cell) => cell.replace(/ ms$/, '').trim());
    expect(cells.length).toBeGreaterThanOrEqual(10);
    expect(cells.filter((figure) => !log.includes(figure))).toEqual([]);
  });
});
