import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runNative } from '../../bench/gpu/native-rows.mjs';
import { writeRandomLlama } from '../../bench/gpu/random-llama.mjs';
import { withRun } from '../../tools/gpu-bundle/add-gpu-run.mjs';
import { runStage } from '../../tools/gpu-bundle/run-stage.mjs';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-stages-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Runs a stage of one script. */
async function stageOf(script: string, limitSeconds = 60) {
  let written = '';
  const write = (text: string) => {
    written += text;
  };
  const stage = { args: ['-e', script], env: process.env };
  return { ...(await runStage(stage, { limitSeconds, write })), written };
}

describe('a stage of the GPU bundle', () => {
  test('gives the counts of its last line', async () => {
    const script = 'console.log("1 passed, 1 failed\\n7 passed, 0 failed")';
    expect(await stageOf(script)).toMatchObject({ status: 'passed', passed: 7, failed: 0 });
  });

  test('is skipped where it says so', async () => {
    const stage = await stageOf('console.log("skipped: there is no torch")');
    expect(stage).toMatchObject({ status: 'skipped', failed: 0, why: 'there is no torch' });
  });

  test('is one failure more when it dies after its tests have passed', async () => {
    const stage = await stageOf(
      'console.log("7 passed, 0 failed"); process.kill(process.pid, "SIGKILL")',
    );
    expect(stage).toMatchObject({
      status: 'failed',
      passed: 7,
      failed: 1,
      why: 'ended with SIGKILL',
    });
  });

  test('is ended with all that it started when it is late, and what it wrote is kept', async () => {
    const child = 'require("child_process").spawn("sleep", ["600"], { stdio: "inherit" })';
    const stage = await stageOf(`console.log("begun"); ${child}; setInterval(() => {}, 1000)`, 4);
    expect(stage).toMatchObject({ status: 'late', failed: 1, written: 'begun\n' });
  });
});

describe('rows of the GPU benchmark', () => {
  /** A program that reads requests and prints rows as gpu_bench does; it ends at the one named bad. */
  const program = `#!/bin/sh
echo '{"kind":"gpu","name":"a GPU"}'
while IFS= read -r line; do
  name=\${line##*name=}
  if [ "$name" = bad ]; then echo 'gpu_bench: wrong result' >&2; exit 1; fi
  if [ "$name" = slow ]; then exec sleep 600; fi
  echo "{\\"kind\\":\\"row\\",\\"name\\":\\"$name\\"}"
done
`;

  async function rowsOf(names: string[]) {
    const binary = join(folder, 'program');
    writeFileSync(binary, program);
    chmodSync(binary, 0o755);
    const rows: object[] = [];
    const onRow = (row: object) => rows.push(row);
    const options = { binary, payloads: [], rowLimitSeconds: 3, onRow };
    const gpu = await runNative(
      options,
      names.map((name) => ({ kind: 'row', name })),
    );
    return { gpu, rows };
  }

  test('go on after one that failed and after one that hangs', async () => {
    const { gpu, rows } = await rowsOf(['a', 'bad', 'b', 'slow', 'c']);
    expect(gpu).toMatchObject({ name: 'a GPU' });
    expect(rows).toEqual([
      { kind: 'row', name: 'a' },
      { kind: 'row', name: 'bad', failed: 'gpu_bench: wrong result' },
      { kind: 'row', name: 'b' },
      { kind: 'row', name: 'slow', failed: 'not done after 3 s' },
      { kind: 'row', name: 'c' },
    ]);
  });

  test('are given up when all of them fail, as on a lost GPU', async () => {
    const { rows } = await rowsOf(Array.from({ length: 20 }, () => 'bad'));
    expect(rows).toHaveLength(8);
  });
});

describe('runs on GPUs', () => {
  const run = {
    date: '2026-01-01',
    gpu: 'A',
    isEmulated: false,
    passed: 1,
    failed: 0,
    kernels: ['x'],
  };

  test('of one day on one GPU are one entry', () => {
    const runs = [run, { ...run, kernels: ['y'] }, { ...run, gpu: 'B' }].reduce(withRun, []);
    expect(runs).toEqual([
      { ...run, passed: 2, kernels: ['x', 'y'] },
      { ...run, gpu: 'B' },
    ]);
  });

  test('are not recorded when they were emulated', () => {
    expect(() => withRun([], { ...run, isEmulated: true })).toThrow('emulated');
  });
});

describe('a random Llama', () => {
  test('has every tensor at its place, of small finite values', () => {
    writeRandomLlama(folder, { isRehearsal: true });
    const index = JSON.parse(readFileSync(join(folder, 'model.safetensors.index.json'), 'utf8'));
    const name = 'model.layers.1.mlp.down_proj.weight';
    const bytes = readFileSync(join(folder, index.weight_map[name]));
    const headerLength = Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.subarray(8, 8 + headerLength).toString());
    expect(header[name].shape).toEqual([128, 256]);
    const [start, end] = header[name].data_offsets;
    const data = bytes.subarray(8 + headerLength);
    expect(data).toHaveLength(end);
    const values = Array.from({ length: (end - start) / 2 }, (_, i) => {
      const bits = data.readUInt16LE(start + 2 * i);
      return Buffer.from([0, 0, bits & 255, bits >> 8]).readFloatLE();
    });
    const squares = values.reduce((sum, value) => sum + value * value, 0);
    expect(squares / values.length).toBeCloseTo(1 / 256, 4);
  });
});
