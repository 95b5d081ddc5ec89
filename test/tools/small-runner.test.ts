import { makeCollector, titleOf } from '../small-runner/collect.mjs';
import { runSuite } from '../small-runner/run-suite.mjs';

type Globals = ReturnType<typeof makeCollector>['globals'];
interface Result {
  name: string;
  status: string;
  error?: unknown;
}

/** Runs what `define` defines; gives the results in order. */
async function results(define: (globals: Globals) => void, options = {}): Promise<Result[]> {
  const { root, globals } = makeCollector();
  define(globals);
  const all: Result[] = [];
  await runSuite(root, { ...options, report: (result: Result) => all.push(result) });
  return all;
}

const statuses = (all: Result[]) => all.map(({ name, status }) => `${status} ${name}`);

describe('the small runner', () => {
  test('runs tests in order, inside their suites', async () => {
    const all = await results(({ describe: suite, test: it }) => {
      suite('a', () => {
        it('passes', () => {});
        it('fails', async () => {
          throw new Error('as it should');
        });
      });
      it('stands alone', () => {});
    });
    expect(statuses(all)).toEqual(['passed a > passes', 'failed a > fails', 'passed stands alone']);
    expect(all[1].error).toEqual(new Error('as it should'));
  });

  test('runs hooks around tests, the outer ones first and last', async () => {
    const calls: string[] = [];
    await results(({ describe: suite, test: it, ...hooks }) => {
      hooks.beforeAll(() => calls.push('all'));
      hooks.beforeEach(() => calls.push('outer'));
      hooks.afterEach(() => calls.push('outer end'));
      suite('s', () => {
        hooks.beforeEach(() => calls.push('inner'));
        hooks.afterEach(() => calls.push('inner end'));
        it('t', () => calls.push('test'));
      });
    });
    expect(calls).toEqual(['all', 'outer', 'inner', 'test', 'inner end', 'outer end']);
  });

  test('leaves out the hooks of a suite of which nothing runs', async () => {
    const calls: string[] = [];
    const all = await results(({ describe: suite, test: it, ...hooks }) => {
      suite('s', () => {
        hooks.beforeAll(() => calls.push('before'));
        it.skip('t', () => {});
      });
    });
    expect(statuses(all)).toEqual(['skipped s > t']);
    expect(calls).toEqual([]);
  });

  test('counts a failed beforeAll, and runs nothing behind it', async () => {
    const all = await results(({ describe: suite, test: it, ...hooks }) => {
      suite('s', () => {
        hooks.beforeAll(() => Promise.reject(new Error('no device')));
        it('t', () => {});
      });
    });
    expect(statuses(all)).toEqual(['failed s > beforeAll']);
  });

  test('runs only what matches the filter', async () => {
    const all = await results(
      ({ test: it }) => {
        it('one', () => {});
        it('two', () => {});
      },
      { filter: /two/ },
    );
    expect(statuses(all)).toEqual(['passed two']);
  });

  test('fails a test that never ends', async () => {
    const all = await results(({ test: it }) => it('waits', () => new Promise(() => {}), 1));
    expect(all[0]).toMatchObject({ status: 'failed', error: { message: 'not done after 1 ms' } });
  });

  test.each([
    ['%s of %i', ['a', 2], 'a of 2'],
    ['%j', [{ a: 1 }], '{"a":1}'],
    ['$name in $size.rows', { name: 'x', size: { rows: 3 } }, 'x in 3'],
    ['100 %% of %s, $missing', 'it', '100 % of it, $missing'],
    ['row %#', 5, 'row 0'],
  ])('writes the title %j like jest', (title, row, expected) => {
    expect(titleOf(title, row, 0)).toBe(expected);
  });
});
