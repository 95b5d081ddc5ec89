import { spawnSync } from 'node:child_process';
import { estimateSeconds } from '../../bench/cpu/estimate.mjs';
import { readOptions } from '../../bench/cpu/options.mjs';
import { plannedProcessRows, plannedRows, weightsOf } from '../../bench/cpu/plan.mjs';

describe('options of npm run bench', () => {
  test.each([
    [['--foo', '3'], '--foo 3: unknown option'],
    [['--foo=3'], '--foo 3: unknown option'],
    [['7'], '7: expected an option'],
    [['--model', 's03,x9'], '--model s03,x9: x9 is none of s03, l1b, tiny'],
    [['--isa', 'sse'], '--isa sse: sse is none of auto'],
    [['--only', 'int9'], '--only int9: int9 is none of prefill'],
    [['--rounds', '0'], '--rounds 0: expected whole numbers from 1'],
    [['--rounds', '3,4'], '--rounds 3,4: expected one number'],
    [['--threads', '1,two'], '--threads 1,two: expected whole numbers from 1'],
    [['--rounds'], '--rounds: needs a value'],
    [['--quick=yes'], '--quick yes: takes no value'],
    [['--quick', '--record'], '--quick --record: a quick run shows nothing to keep'],
  ])('refuses %j in one line that names option and value', (args, message) => {
    expect(() => readOptions(args)).toThrow(message);
  });

  test('a refusal is one line on stderr and exit code 1, without a stack', () => {
    const { status, stdout, stderr } = spawnSync('node', ['bench/cpu.mjs', '--rounds', 'many'], {
      encoding: 'utf8',
    });
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toBe('bench: --rounds many: expected whole numbers from 1\n');
  });

  test('say nothing twice: five rounds of s03 on one and two threads by default', () => {
    const { models, threads, isas, numRounds, recordTo } = readOptions([]);
    expect({ models, threads, isas, numRounds, recordTo }).toEqual({
      models: ['s03'],
      threads: [1, 2],
      isas: ['auto'],
      numRounds: 5,
      recordTo: undefined,
    });
  });
});

describe('rows of a run', () => {
  const options = readOptions([]);
  const names = (model: string, threads: number, isa: string, given = options) =>
    plannedRows({ model, threads, isa }, given).map((row) => `${row.weights} ${row.name}`);

  test('are all of s03, and bf16 prefill and decode of l1b, on two threads', () => {
    expect(names('s03', 2, 'auto')).toHaveLength(14);
    expect(names('l1b', 2, 'auto')).toEqual([
      'bf16 prefill 512',
      'bf16 prefill 2048',
      'bf16 decode, 1 stream at 128',
      'bf16 decode, 1 stream at 2048',
    ]);
    const processRows = (model: string, threads: number) =>
      plannedProcessRows({ model, threads, isa: 'auto' }, options);
    expect(processRows('s03', 1)).toEqual(['memory', 'load']);
    expect(processRows('l1b', 2)).toEqual(['memory', 'load']);
    expect(processRows('l1b', 1)).toEqual([]);
  });

  test('are the short ones of l1b and of quantised weights on one thread', () => {
    expect(names('s03', 1, 'auto')).toHaveLength(5 + 2 + 2);
    expect(names('l1b', 1, 'auto')).toEqual(['bf16 prefill 512', 'bf16 decode, 1 stream at 128']);
  });

  test('are the short ones on AVX2, and all with --all', () => {
    expect(names('s03', 2, 'avx2')).toEqual(
      ['bf16', 'int8', 'int4'].flatMap((weights) => [
        `${weights} prefill 512`,
        `${weights} decode, 1 stream at 128`,
      ]),
    );
    expect(names('s03', 1, 'avx2')).toEqual([]);
    expect(names('l1b', 2, 'avx2')).toEqual([]);
    expect(names('l1b', 2, 'avx2', readOptions(['--all']))).toHaveLength(14);
  });

  test('of one kind of weights share a pair of processes', () => {
    expect(weightsOf(plannedRows({ model: 's03', threads: 2, isa: 'auto' }, options))).toEqual([
      'bf16',
      'int8',
      'int4',
    ]);
  });

  test('are estimated by what they compute: more rounds, threads and tokens count', () => {
    const ceilings = { gigabytesPerSecond: 35, bf16Gflops: 467, int8Gops: 929 };
    const rows = plannedRows({ model: 's03', threads: 2, isa: 'auto' }, options);
    const seconds = (given: object, numRounds: number, hasPeer = true) =>
      estimateSeconds('s03', rows, { ...ceilings, ...given }, { hasPeer, numRounds });
    expect(seconds({}, 5)).toBeGreaterThan(3 * 60);
    expect(seconds({}, 5)).toBeLessThan(20 * 60);
    expect(seconds({}, 10)).toBeGreaterThan(1.5 * seconds({}, 5));
    expect(seconds({ bf16Gflops: 233, int8Gops: 465 }, 5)).toBeGreaterThan(1.4 * seconds({}, 5));
    expect(seconds({}, 5, false)).toBeLessThan(0.5 * seconds({}, 5));
  });
});
