import { spawn } from 'node:child_process';

interface Ended {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly output: string;
  readonly errors: string;
}

function runChild(name: string, ...parameters: string[]): Promise<Ended> {
  const file = `test/device/children/${name}.mjs`;
  const child = spawn(process.execPath, ['--expose-gc', file, ...parameters]);
  const text = { output: '', errors: '' };
  child.stdout.on('data', (data) => {
    text.output += data;
  });
  child.stderr.on('data', (data) => {
    text.errors += data;
  });
  return new Promise((resolve) => {
    child.on('close', (exitCode, signal) => resolve({ exitCode, signal, ...text }));
  });
}

// These run the built package in processes of their own: how a process ends is what they look at.
describe('a process with a device', () => {
  test('ends by itself when the device is idle, though nothing was closed', async () => {
    expect(await runChild('idle')).toEqual({
      exitCode: 0,
      signal: null,
      output: '3,6\n',
      errors: '',
    });
  });

  const minutes = 60_000;

  test(
    'exits with its own code in the middle of steps, 20 times',
    async () => {
      for (let round = 0; round < 20; round++) {
        const ended = await runChild('exit-mid-step', String(round % 7), String(40 + round));
        expect(ended).toEqual({ exitCode: 40 + round, signal: null, output: '', errors: '' });
      }
    },
    3 * minutes,
  );

  test('reports an uncaught error in the middle of steps', async () => {
    const ended = await runChild('uncaught');
    expect(ended).toMatchObject({ exitCode: 1, signal: null });
    expect(ended.errors).toContain('nobody catches this');
  });

  test(
    'outlives Workers that are terminated in the middle of steps, 20 times',
    async () => {
      const ended = await runChild('terminate-workers', '20');
      expect(ended).toEqual({ exitCode: 0, signal: null, output: 'all terminated\n', errors: '' });
    },
    3 * minutes,
  );

  test('gets back what was dropped without free(), and counts it', async () => {
    const { output, errors } = await runChild('collected');
    expect(errors).toBe('');
    const [collected, bytes, keptBytes] = output.split(' ').map(Number);
    expect(collected).toBe(50);
    expect(bytes).toBe(keptBytes);
  });
});
