import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Device } from '../../lib/device/index.js';
import { openCheckpoint } from '../../lib/model/index.js';
import { randomConfig, safetensorsBytes, writeRandomCheckpoint } from './random-checkpoint.js';

const indexName = 'model.safetensors.index.json';

describe('openCheckpoint', () => {
  let device: Device;
  let folder: string;

  beforeEach(() => {
    device = Device.open({ backend: 'cpu', threads: 1 });
    folder = mkdtempSync(join(tmpdir(), 'paged-attention-checkpoint-'));
  });

  afterEach(async () => {
    await device.close();
    rmSync(folder, { recursive: true });
  });

  const isMapped = () => readFileSync('/proc/self/maps', 'utf8').includes(folder);

  const writeIndex = (index: unknown) =>
    writeFileSync(
      join(folder, indexName),
      typeof index === 'string' ? index : JSON.stringify(index),
    );

  async function refusal(): Promise<{ code: string; message: string }> {
    const error = await openCheckpoint(device, folder).then(
      () => undefined,
      (reason) => reason,
    );
    expect(isMapped()).toBe(false);
    if (!error) throw new Error('was accepted');
    return error;
  }

  test('finds the same bytes in one file and in shards', async () => {
    const single = join(folder, 'single');
    const sharded = join(folder, 'sharded');
    writeRandomCheckpoint(single);
    writeRandomCheckpoint(sharded, { maxShardBytes: 40_000 });
    const a = await openCheckpoint(device, single);
    const b = await openCheckpoint(device, sharded);
    expect(isMapped()).toBe(true);

    expect(new Set([...b.tensors.values()].map((tensor) => tensor.file)).size).toBeGreaterThan(3);
    expect([...b.tensors.keys()].toSorted()).toEqual([...a.tensors.keys()].toSorted());
    for (const [name, { file, byteOffset, byteLength }] of a.tensors) {
      const other = b.getTensor(name);
      expect(other.byteLength).toBe(byteLength);
      const bytes = file.read(byteOffset, byteLength);
      expect(Buffer.compare(bytes, other.file.read(other.byteOffset, byteLength))).toBe(0);
    }
    a.close();
    b.close();
    b.close();
    expect(isMapped()).toBe(false);
  });

  test('prefers one file to an index, as transformers does', async () => {
    writeRandomCheckpoint(folder);
    writeIndex({ weight_map: { x: 'gone.safetensors' } });
    const checkpoint = await openCheckpoint(device, folder);
    expect(checkpoint.tensors.has('x')).toBe(false);
    checkpoint.close();
  });

  test('refuses a folder that does not exist or has no safetensors', async () => {
    const { code, message } = await refusal();
    expect(code).toBe('ERR_CHECKPOINT_NOT_FOUND');
    expect(message).toContain('has neither model.safetensors nor model.safetensors.index.json');
    const missing = openCheckpoint(device, join(folder, 'missing'));
    await expect(missing).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_NOT_FOUND' });
  });

  test('refuses a folder in the place of a file', async () => {
    mkdirSync(join(folder, 'model.safetensors'));
    expect((await refusal()).code).toBe('ERR_CHECKPOINT_NOT_FOUND');
  });

  test.each([0, 1, 8, 100, 5000])('refuses a file cut off after %i bytes', async (length) => {
    writeRandomCheckpoint(folder);
    const path = join(folder, 'model.safetensors');
    writeFileSync(path, readFileSync(path).subarray(0, length));
    const { code, message } = await refusal();
    expect(code).toMatch(/^ERR_SAFETENSORS_(HEADER|RANGE)$/);
    expect(message).toContain(path);
  });

  test('refuses a shard that is missing, and unmaps those before it', async () => {
    writeRandomCheckpoint(folder, { maxShardBytes: 40_000 });
    const shard = readdirSync(folder).find((fileName) => fileName.startsWith('model-00003-of-'))!;
    unlinkSync(join(folder, shard));
    const { code, message } = await refusal();
    expect(code).toBe('ERR_CHECKPOINT_NOT_FOUND');
    expect(message).toContain(shard);
  });

  test('refuses a shard that lacks a tensor which the index puts there', async () => {
    const tensor = { name: 'a', shape: [1], dtype: 'f32' as const, bytes: new Uint8Array(4) };
    writeFileSync(join(folder, 'one.safetensors'), safetensorsBytes([tensor]));
    writeIndex({ weight_map: { a: 'one.safetensors', b: 'one.safetensors' } });
    const { code, message } = await refusal();
    expect(code).toBe('ERR_TENSOR_MISSING');
    expect(message).toContain('no tensor "b"');
  });

  test('leaves out tensors that the index puts into another shard', async () => {
    const tensor = (name: string, value: number) => {
      const bytes = new Uint8Array(new Float32Array([value]).buffer);
      return { name, shape: [1], dtype: 'f32' as const, bytes };
    };
    writeFileSync(
      join(folder, 'one.safetensors'),
      safetensorsBytes([tensor('a', 1), tensor('b', 2)]),
    );
    writeFileSync(join(folder, 'two.safetensors'), safetensorsBytes([tensor('b', 3)]));
    writeIndex({ weight_map: { a: 'one.safetensors', b: 'two.safetensors' } });
    const checkpoint = await openCheckpoint(device, folder);
    const { file, byteOffset } = checkpoint.getTensor('b');
    expect(new Float32Array(file.read(byteOffset, 4).buffer)[0]).toBe(3);
    checkpoint.close();
  });

  test.each([
    ['{', /is no JSON/],
    ['null', /no weight_map/],
    [{ weight_map: [] }, /no weight_map/],
    [{ weight_map: {} }, /empty weight_map/],
    ['{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}', /"a" twice/],
    [{ weight_map: { a: 1 } }, /"a" into 1/],
    [{ weight_map: { a: '../x.safetensors' } }, /expected a file beside it/],
    [{ weight_map: { a: '/etc/x.safetensors' } }, /expected a file beside it/],
    [{ weight_map: { a: '..\\x.safetensors' } }, /expected a file beside it/],
    [{ weight_map: { a: 'pytorch_model.bin' } }, /expected a file beside it/],
  ])('refuses the index %j', async (index, expected) => {
    writeIndex(index);
    const { code, message } = await refusal();
    expect(code).toBe('ERR_SAFETENSORS_INDEX');
    expect(message).toMatch(expected);
  });

  test('a tensor that is not there is named together with one that is', async () => {
    writeRandomCheckpoint(folder, { config: randomConfig() });
    const checkpoint = await openCheckpoint(device, folder);
    expect(() => checkpoint.getTensor('x')).toThrow(
      expect.objectContaining({
        code: 'ERR_TENSOR_MISSING',
        message: expect.stringContaining(
          'no tensor "x"; it has 20, such as "model.embed_tokens.weight"',
        ),
      }),
    );
    checkpoint.close();
  });
});
