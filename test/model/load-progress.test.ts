import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Device } from '../../lib/device/index.js';
import { type LoadModelOptions, type LoadProgress, loadModel } from '../../lib/model/index.js';
import { randomConfig, tensorShapes, writeRandomCheckpoint } from './random-checkpoint.js';

const config = randomConfig({ num_hidden_layers: 3 });
const elements = tensorShapes(config).map(([, shape]) => shape.reduce((a, b) => a * b, 1));
const numElements = elements.reduce((sum, count) => sum + count, 0);

describe('loading a checkpoint', () => {
  const folder = mkdtempSync(join(tmpdir(), 'paged-attention-progress-'));
  let device: Device;

  beforeAll(() => {
    device = Device.open({ backend: 'cpu', threads: 1 });
    writeRandomCheckpoint(folder, { config, dtype: 'bf16', maxShardBytes: 100_000 });
  });
  afterAll(async () => {
    await device.close();
    rmSync(folder, { recursive: true });
  });

  const bytesHeld = async () => {
    await device.whenIdle();
    return device.counters().bytesAllocated;
  };
  const isMapped = () => readFileSync('/proc/self/maps', 'utf8').includes(folder);

  async function rejection(options: LoadModelOptions): Promise<unknown> {
    const before = await bytesHeld();
    const reason = await loadModel(device, folder, options).then(
      () => new Error('was loaded'),
      (error) => error,
    );
    expect(await bytesHeld()).toBe(before);
    expect(isMapped()).toBe(false);
    return reason;
  }

  test('reports every byte of every shard once, from nothing to all', async () => {
    const reports: LoadProgress[] = [];
    const onProgress = (progress: LoadProgress) => reports.push(progress);
    const model = await loadModel(device, folder, { onProgress });
    model.free();
    const totalBytes = 2 * numElements;
    expect(reports[0]).toEqual({ stage: 'weights', loadedBytes: 0, totalBytes });
    expect(reports.at(-1)).toEqual({ stage: 'weights', loadedBytes: totalBytes, totalBytes });
    expect(reports.length).toBeGreaterThan(3 * 6);
    for (const [i, { loadedBytes }] of reports.slice(1).entries()) {
      expect(loadedBytes).toBeGreaterThan(reports[i].loadedBytes);
    }
  });

  test.each([0, 1, 7, 20])(
    'ends with the signal after %i tensors and gives all back',
    async (n) => {
      const abort = new AbortController();
      const reason = new Error('enough');
      let numReports = 0;
      const onProgress = () => {
        if (numReports++ === n) abort.abort(reason);
      };
      expect(await rejection({ onProgress, signal: abort.signal })).toBe(reason);
      expect(numReports).toBe(n + 1);
    },
  );

  test('reads no tensor when the signal is aborted before', async () => {
    let numReports = 0;
    const onProgress = () => numReports++;
    const signal = AbortSignal.abort('never');
    expect(await rejection({ onProgress, signal })).toBe('never');
    expect(numReports).toBe(0);
  });

  test('ends with what the callback throws', async () => {
    const reason = new Error('no more lines');
    const onProgress = () => {
      throw reason;
    };
    expect(await rejection({ onProgress })).toBe(reason);
  });
});
