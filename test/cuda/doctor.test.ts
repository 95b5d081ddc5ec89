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
});
