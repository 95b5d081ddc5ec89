import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileTest } from '../../tools/gpu-bundle/compiled-tests.mjs';
import { copyPackages } from '../../tools/gpu-bundle/copy-packages.mjs';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-bundle-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

describe('the GPU bundle', () => {
  test('has tests without types, which import the compiled library', () => {
    const source = `import { Device } from '../../lib/device/index.js';
import { tiny, type Tiny } from './tiny.js';
const device: Device = Device.open(tiny as Tiny);`;
    expect(
      compileTest(source, 'a.test.ts'),
    ).toBe(`import { Device } from '../../dist/device/index.js';
import { tiny } from './tiny.js';
const device = Device.open(tiny);
`);
  });

  test('has packages with what they need and without types', () => {
    copyPackages(folder, ['expect']);
    const manifest = join(folder, 'node_modules/expect/package.json');
    const needed = Object.keys(JSON.parse(readFileSync(manifest, 'utf8')).dependencies);
    const missing = needed.filter((name) => !existsSync(join(folder, 'node_modules', name)));
    expect(missing).toEqual([]);
    expect(existsSync(join(folder, 'node_modules/expect/build/index.d.ts'))).toBe(false);
  });

  test('has the tokenizer for Linux x64 and no other platform', () => {
    copyPackages(folder, ['tokenizers']);
    const binary = (platform: string) =>
      existsSync(join(folder, `node_modules/tokenizers/tokenizers.${platform}.node`));
    expect(['linux-x64-gnu', 'linux-x64-musl', 'darwin-arm64'].map(binary)).toEqual([
      true,
      false,
      false,
    ]);
  });

  test('refuses a package that is not installed', () => {
    expect(() => copyPackages(folder, ['no-such-package'])).toThrow(/no-such-package/);
  });
});
