import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeGpuRuns } from '../../tools/cuda/gpu-runs.mjs';
import { commentOf, listKernels } from '../../tools/cuda/kernel-list.mjs';
import { commentFaults, renderPage, withoutFigures } from '../../tools/cuda/kernel-page.mjs';
import { formatTable, kernelRows } from '../../tools/cuda/kernel-table.mjs';

const source = `
#include <device.cuh>
#include <ptx.cuh>
namespace turn {
// Helper of the same name.
DEVICE void turn(int x) {}

// Turns a vector round.
//
// Moves    8 bytes of
//          each < of two
// Order    none
template <class T>
DEVICE void turn(const TurnParams& params) {}
}  // namespace turn

#define TURN(T) CU_KERNEL(turn_##T, (turn::turn<T>), TurnParams, 64, 1)
TURN(f16)
TURN(bf16)
#undef TURN
`;
const resources = {
  registers: 20,
  spillStoreBytes: 0,
  spillLoadBytes: 0,
  stackBytes: 16,
  sharedBytes: 128,
};
const record = {
  abi: '0123456789abcdef',
  compilers: { 13: 'nvcc 13.0.88' },
  kernels: { turn_f16: { 13: { sm_80: resources, sm_90a: { ...resources, registers: 24 } } } },
};
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kernel-page-'));
  writeFileSync(join(folder, 'turn.cu'), source);
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('the list of kernels', () => {
  test('has those that a macro instantiates', () => {
    const kernels = listKernels(folder);
    expect(kernels.map(({ name }) => name)).toEqual(['turn_f16', 'turn_bf16']);
    expect(kernels[0]).toMatchObject({ file: 'turn.cu', body: 'turn', params: 'TurnParams' });
  });

  test('finds the comment of the function that takes the parameters', () => {
    const [kernel] = listKernels(folder);
    expect(commentOf(kernel, folder)).toEqual({
      summary: ['Turns a vector round.', ''],
      Moves: ['8 bytes of', 'each < of two'],
      Order: ['none'],
    });
  });
});

describe('docs/kernels.md', () => {
  test('has a part per function with its fields and one row per instantiation', () => {
    const page = renderPage(listKernels(folder), record, folder);
    expect(page).toContain('## turn.cu\n\n### turn\n\nTurns a vector round.');
    expect(page).toContain('- **Moves**: 8 bytes of each \\< of two');
    expect(page).toContain('| `turn_f16` | 128 | 20 | 0 | 16 | 24 | 0 | 16 |');
    expect(page).toContain('nvcc 13.0.88');
  });

  test('is the same without figures, whoever compiled it', () => {
    const kernels = listKernels(folder);
    const page = renderPage(kernels, record, folder);
    expect(withoutFigures(page)).toBe(withoutFigures(renderPage(kernels, undefined, folder)));
  });

  test('demands of a comment what the kernel moves', () => {
    expect(commentFaults(listKernels(folder), folder)).toEqual([]);
    writeFileSync(join(folder, 'turn.cu'), source.replace('Moves', 'Takes'));
    expect(commentFaults(listKernels(folder), folder)).toEqual([
      'turn.cu: turn: its comment does not say what it Moves',
    ]);
  });

  test('finds a field that was wrapped into the line above', () => {
    writeFileSync(join(folder, 'turn.cu'), source.replace('of two\n// Order', 'of two Order'));
    expect(commentFaults(listKernels(folder), folder)).toEqual([
      'turn.cu: turn: Order stands inside a line of its comment',
    ]);
  });
});

describe('the table of kernels', () => {
  test('shows the spread over architectures and the worst error beside its tolerance', () => {
    const tested = { cases: 7, worst: 0.5, absolute: 0.001, relative: 0.01 };
    const emulated = { turn_f16: { ...tested, launches: 9, dynamicSharedBytes: 4096 } };
    const [half, other] = kernelRows(listKernels(folder), record, emulated);
    expect(half).toEqual({
      kernel: 'turn_f16',
      architectures: '80 90a (CUDA 13)',
      registers: '20-24',
      spilled: '0',
      'shared bytes': '128 + 4096',
      launches: '9',
      cases: '7',
      'worst error': '0.50 of 0.001 + 0.01 |x|',
    });
    expect(other).toMatchObject({ architectures: 'none', registers: '-', cases: '0' });
  });

  test('has one line per kernel under its header', () => {
    const lines = formatTable(kernelRows(listKernels(folder), record)).split('\n');
    expect(lines.map((line) => line.split(/ {2,}/)[0])).toEqual([
      'kernel',
      'turn_f16',
      'turn_bf16',
    ]);
  });
});

describe('the line about real GPUs', () => {
  test('says that there is none when none is recorded', () => {
    expect(describeGpuRuns(['a'], [])).toBe('On a real GPU: none of them has run yet.');
  });

  test('does not count a run on the emulated driver', () => {
    const run = { gpu: 'emulated', date: '2026-11-20', isEmulated: true, kernels: ['a'] };
    expect(describeGpuRuns(['a'], [run])).toBe(describeGpuRuns(['a'], []));
  });

  test('names the newest run of each GPU and the kernels that it did not reach', () => {
    const run = { gpu: 'NVIDIA H200', date: '2026-11-20', kernels: ['a'] };
    const newer = { ...run, date: '2026-11-21', kernels: ['a', 'b'] };
    expect(describeGpuRuns(['a', 'b', 'c'], [run, newer])).toBe(
      'On a real GPU: 2 of 3 rows (not c) on NVIDIA H200, 2026-11-21.',
    );
  });
});
