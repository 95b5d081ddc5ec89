import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Device } from '../../lib/device/index.js';
import { loadModel } from '../../lib/model/index.js';
import { type GgufFormat, writeRandomGguf } from './gguf-writer.js';
import { randomConfig, writeRandomCheckpoint } from './random-checkpoint.js';

const smaps = '/proc/self/smaps';
const onLinux = existsSync(smaps) ? test : test.skip;

/** Bytes of a mapped file that this process has in memory. */
function residentBytes(path: string): number {
  const mappings = readFileSync(smaps, 'utf8').split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/);
  const own = mappings.filter((mapping) => mapping.split('\n', 1)[0].endsWith(path));
  return own.reduce((sum, text) => sum + 1024 * Number(/^Rss:\s+(\d+) kB$/m.exec(text)?.[1]), 0);
}

describe('the pages of a checkpoint that is being loaded', () => {
  const folder = mkdtempSync(join(tmpdir(), 'paged-attention-pages-'));
  const config = randomConfig({ vocab_size: 4096, hidden_size: 256, intermediate_size: 1024 });
  let device: Device;

  beforeAll(() => {
    device = Device.open({ backend: 'cpu', threads: 1 });
  });
  afterAll(async () => {
    await device.close();
    rmSync(folder, { recursive: true });
  });

  /** Loads `path`, of which `file` is mapped; gives the share of it in memory after each tensor. */
  async function residentShares(path: string, file: string): Promise<number[]> {
    const fileBytes = statSync(file).size;
    const shares: number[] = [];
    const onProgress = () => shares.push(residentBytes(file) / fileBytes);
    const model = await loadModel(device, path, { onProgress });
    model.free();
    return shares.slice(1); // the first report comes before the first tensor
  }

  /**
   * At the end next to nothing, on the way less than all: a system may map 2 MiB for one small vector, so that
   * pages come again until their own tensor is done.
   */
  function expectGivenBack(shares: number[]): void {
    expect(shares.length).toBeGreaterThan(10);
    expect(shares.at(-1)).toBeLessThan(0.1);
    expect(shares.toSorted((a, b) => a - b)[shares.length >> 1]).toBeLessThan(0.5);
  }

  onLinux('go back tensor by tensor from safetensors', async () => {
    const path = join(folder, 'safetensors');
    writeRandomCheckpoint(path, { config, dtype: 'bf16' });
    expectGivenBack(await residentShares(path, join(path, 'model.safetensors')));
  });

  onLinux.each<GgufFormat>(['BF16', 'Q8_0'])(
    'go back tensor by tensor from GGUF of %s',
    async (format) => {
      const file = join(folder, `${format}.gguf`);
      writeRandomGguf(file, { config, format });
      expectGivenBack(await residentShares(file, file));
    },
  );
});
