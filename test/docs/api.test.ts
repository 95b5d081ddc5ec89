import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const packageJson = JSON.parse(readFileSync('package.json', 'utf8'));
const typedoc = JSON.parse(readFileSync('typedoc.json', 'utf8'));

describe('the API reference', () => {
  test('has every entry point of the package', () => {
    const modules = Object.values<{ types?: string }>(packageJson.exports)
      .flatMap(({ types }) => types ?? [])
      .map((types) => types.replace('./dist/', 'lib/').replace('.d.ts', '.ts'));
    expect(typedoc.entryPoints.toSorted()).toEqual(modules.toSorted());
  });

  test('is generated without a warning: every public name is documented, and every name it uses public', () => {
    const args = ['node_modules/typedoc/bin/typedoc', '--emit', 'none'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      timeout: 120_000,
    });
    expect({ status, warnings: stdout + stderr }).toMatchObject({ status: 0 });
  }, 150_000);
});
