import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { abiStamp } from '../../tools/cuda/sources.mjs';
import { runToEnd } from './terminal.js';

interface Report {
  readonly version: string;
  readonly isHealthy: boolean;
  readonly findings: readonly {
    readonly name: string;
    readonly status: string;
    readonly text: string;
    readonly cure?: string;
    readonly facts?: Readonly<Record<string, unknown>>;
  }[];
}

/** Runs `doctor --json` in a process of its own. */
function doctorWith(environment: NodeJS.ProcessEnv): { status: number | null; report: Report } {
  const { status, stdout } = spawnSync(
    process.execPath,
    [resolve('dist/cli/main.js'), 'doctor', '--json'],
    { encoding: 'utf8', env: { ...process.env, ...environment } },
  );
  return { status, report: JSON.parse(stdout) as Report };
}

/** The same, with the addon that is looked for in `folder`. */
const doctorWithAddonsOf = (folder: string) => doctorWith({ PAGED_ATTENTION_PREBUILD: folder });

const prebuilt = `prebuilds/${process.platform}-${process.arch}`;

describe('paged-attention doctor', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'doctor-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('finds a machine healthy that answers from the cache', async () => {
    const { exitCode, stdout } = await runToEnd(['doctor', '--json']);
    const report = JSON.parse(stdout) as Report;
    const statuses = Object.fromEntries(report.findings.map(({ name, status }) => [name, status]));
    expect({ exitCode, isHealthy: report.isHealthy }).toEqual({ exitCode: 0, isHealthy: true });
    expect(statuses).toMatchObject({
      node: 'ok',
      addon: 'ok',
      'cpu backend': 'ok',
      'self-test': 'ok',
    });
    const selfTest = report.findings.find(({ name }) => name === 'self-test');
    expect(selfTest?.facts?.cachedTokens).toBeGreaterThan(16);
  });

  test('prints a line for each finding, and a cure for each note', async () => {
    const { stdout } = await runToEnd(['doctor']);
    expect(stdout).toMatch(/^paged-attention \d+\.\d+\.\d+\n/);
    expect(stdout).toMatch(/^ok {4}self-test {4}"4217" and "Lisbon", \d+ of \d+ tokens cached/m);
    const lines = stdout.split('\n');
    const notes = lines.flatMap((line, i) => (line.startsWith('note') ? [lines[i + 1]] : []));
    for (const next of notes) expect(next).toMatch(/^ +-> /);
  });

  test('names every place where the addon was looked for', () => {
    const { status, report } = doctorWithAddonsOf(folder);
    const addon = report.findings.find(({ name }) => name === 'addon');
    expect({ status, isHealthy: report.isHealthy }).toEqual({ status: 1, isHealthy: false });
    for (const place of ['build/Release', 'build/Debug', prebuilt]) {
      expect(addon?.text).toContain(`${join(folder, place)}: not there`);
    }
    expect(addon?.cure).toContain('npm run build:addon');
    expect(report.findings.some(({ name }) => name === 'self-test')).toBe(false);
  });

  test('says why an addon that is there cannot be loaded', () => {
    const file = join(folder, prebuilt, 'node.glibc.node');
    mkdirSync(join(folder, prebuilt), { recursive: true });
    writeFileSync(file, 'made for nothing');
    const { status, report } = doctorWithAddonsOf(folder);
    const addon = report.findings.find(({ name }) => name === 'addon');
    expect(status).toBe(1);
    expect(addon?.text).toMatch(new RegExp(`${file}: .*(too short|invalid ELF header)`));
  });

  test('uses the addon of a folder that it is told', () => {
    const file = join(folder, prebuilt, 'node.glibc.node');
    mkdirSync(join(folder, prebuilt), { recursive: true });
    copyFileSync(resolve('build/Release/paged_attention.node'), file);
    const { status, report } = doctorWithAddonsOf(folder);
    const addon = report.findings.find(({ name }) => name === 'addon');
    expect({ status, text: addon?.text }).toEqual({ status: 0, text: file });
  });

  test('says in one line that there is no driver, and what to do about it', () => {
    const { status, report } = doctorWith({ PAGED_ATTENTION_LIBCUDA: '/nowhere/libcuda.so' });
    const gpu = report.findings.find(({ name }) => name === 'gpu');
    expect({ status, gpu: gpu?.status }).toEqual({ status: 0, gpu: 'note' });
    expect(gpu?.text).toMatch(/^no CUDA driver; tried: [^\n]*\/nowhere\/libcuda\.so[^\n]*$/);
    expect(gpu?.cure).toMatch(/install its driver.*--gpus all/);
  });

  test('says what stands in each folder of kernels, in their order, without a driver too', () => {
    const addon = readFileSync('build/Release/paged_attention.node');
    const own = abiStamp();
    expect(addon.includes(own)).toBe(true);
    const payloads = {
      own: `{ "abi": "${own}", "cuda": 12, "images": [{ "arch": "sm_80" }, { "arch": "sm_90a" }] }`,
      older: '{ "abi": "0123456789abcdef", "cuda": 13, "images": [] }',
      broken: '{',
      empty: undefined,
    };
    for (const [name, text] of Object.entries(payloads)) {
      mkdirSync(join(folder, name));
      if (text !== undefined) writeFileSync(join(folder, name, 'payload.json'), text);
    }
    const { report } = doctorWith({
      PAGED_ATTENTION_LIBCUDA: '/nowhere/libcuda.so',
      PAGED_ATTENTION_CUDA_PAYLOAD: ['broken', 'older', 'empty', 'own']
        .map((name) => join(folder, name))
        .join(':'),
    });
    const kernels = report.findings.find(({ name }) => name === 'kernels');
    expect(kernels?.status).toBe('ok');
    expect(kernels?.text.split('; ').slice(0, 5)).toEqual([
      expect.stringContaining(`${folder}/broken: payload.json cannot be used: `),
      `${folder}/older: made for other kernels than this addon's: its abi is 0123456789abcdef`,
      `${folder}/empty: no payload.json`,
      `${folder}/own: CUDA 12 for sm_80, sm_90a`,
      expect.stringContaining('@paged-attention/cuda-13: '),
    ]);
  });
});
