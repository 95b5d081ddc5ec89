/** @jest-environment ./test/setup/emulated-gpu-environment.mjs */
// What `paged-attention doctor` says of a machine with a GPU.
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { Device } from '../../lib/device/index.js';

interface Finding {
  readonly name: string;
  readonly status: string;
  readonly text: string;
  readonly cure?: string;
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** Runs it in a process of its own, with variables of its own. */
function doctorWith(variables: Readonly<Record<string, string>>) {
  const { status, stdout } = spawnSync(
    process.execPath,
    [resolve('dist/cli/main.js'), 'doctor', '--json'],
    { encoding: 'utf8', env: { ...process.env, ...variables } },
  );
  const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] };
  return { status, find: (name: string) => findings.find((one) => one.name === name) };
}

describe('paged-attention doctor', () => {
  test.each([
    ['has no kernels', { PAGED_ATTENTION_CUDA_PAYLOAD: '/nowhere/cuda-13' }, 'no payload.json'],
    ['no kernels fit', { PA_EMULATED_CAPABILITY: '7.5' }, 'sm_90a'],
  ])('notes a GPU that %s, with the cure, and is healthy', (_, variables, reason) => {
    const { status, find } = doctorWith(variables);
    expect(status).toBe(0);
    expect(find('gpu')).toMatchObject({ status: 'note', cure: expect.any(String) });
    expect(find('gpu')?.text).toMatch(/Emulated GPU.* is unused, the CPU computes/);
    expect(find('gpu')?.text).toContain(reason);
    expect(find('self-test')?.status).toBe('ok');
  });

  test('names the GPU that is used, and what the CPU really computes with', async () => {
    const device = Device.open({ backend: 'cpu' });
    const { isa, threads } = device.info;
    await device.close();
    const { status, find } = doctorWith({});
    expect(status).toBe(0);
    expect(find('gpu')).toMatchObject({ status: 'ok', text: expect.stringContaining('Emulated') });
    expect(find('cpu backend')).toMatchObject({ status: 'ok', facts: { isa, threads } });
    expect(find('cpu backend')?.text).toMatch(new RegExp(`^computes with ${isa}, `));
  });

  test('names the driver, and marks the folder of kernels that is used among all', () => {
    const payload = process.env.PAGED_ATTENTION_CUDA_PAYLOAD;
    const { find } = doctorWith({ PAGED_ATTENTION_CUDA_PAYLOAD: `/nowhere:${payload}` });
    expect(find('gpu')?.text).toContain('a driver for CUDA 13.0, compute capability 9.0');
    const [first, second, ...others] = find('kernels')?.text.split('; ') ?? [];
    expect(find('kernels')?.status).toBe('ok');
    expect(first).toBe('/nowhere: no payload.json');
    expect(second).toMatch(new RegExp(`^${payload}: CUDA 13 for sm_80, .*\\(used\\)$`));
    expect(others.length).toBeGreaterThan(3);
    expect(others.join()).not.toContain('(used)');
  });

  test.each([
    [
      'are for a newer driver',
      { PA_EMULATED_DRIVER_VERSION: '12080' },
      'is for CUDA 13; the driver is for CUDA 12',
    ],
    ['do not fit the GPU', { PA_EMULATED_CAPABILITY: '7.5' }, 'nothing for compute capability 7.5'],
  ])('says of kernels that %s why they are of no use', (_, variables, reason) => {
    const { find } = doctorWith(variables);
    expect(find('kernels')).toMatchObject({
      status: 'note',
      text: expect.stringContaining(reason),
      cure: expect.stringContaining('cuda-12 for drivers before CUDA 13'),
    });
  });
});
