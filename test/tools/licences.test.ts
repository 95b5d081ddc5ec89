import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  installedPackages,
  isPermissive,
  licenceFaults,
  lockedPackages,
} from '../../tools/packages/licences.mjs';

const entry = { name: 'dep', version: '1.0.0', licence: 'MIT', isDev: false };

describe('a licence', () => {
  test.each([
    'MIT',
    '(MIT OR CC0-1.0)',
    'MIT OR GPL-3.0-only',
    '(GPL-2.0 OR MIT) AND ISC',
    '(BSD-2-Clause OR (MIT AND Apache-2.0))',
    'Apache-2.0 WITH LLVM-exception',
  ])('is permissive: %s', (expression) => {
    expect(isPermissive(expression)).toBe(true);
  });

  test.each([
    'GPL-3.0-only',
    'MPL-2.0',
    'MIT AND LGPL-3.0-or-later',
    '(GPL-2.0 OR MPL-2.0) AND MIT',
    'GPL-2.0-only WITH Classpath-exception-2.0',
    'SEE LICENSE IN LICENSE.txt',
    'UNLICENSED',
    '',
  ])('is not permissive: %s', (expression) => {
    expect(isPermissive(expression)).toBe(false);
  });
});

describe('faults of a tree', () => {
  test('name each package that is under another licence or under none', () => {
    const packages = [
      entry,
      { ...entry, name: 'copied', licence: 'GPL-3.0-only' },
      { ...entry, name: 'silent', licence: undefined, isDev: true },
    ];
    expect(licenceFaults(packages, {})).toEqual([
      'copied@1.0.0 has GPL-3.0-only',
      'silent@1.0.0 has no licence, at build time',
    ]);
  });

  test('leave out an exception that only builds, and keep one that users install', () => {
    const exceptions = { lightning: 'only builds the pages' };
    const lightning = { ...entry, name: 'lightning', licence: 'MPL-2.0' };
    expect(licenceFaults([{ ...lightning, isDev: true }], exceptions)).toEqual([]);
    expect(licenceFaults([lightning], exceptions)).toEqual(['lightning@1.0.0 has MPL-2.0']);
  });

  test('name an exception that nothing needs any more', () => {
    expect(licenceFaults([entry], { dep: 'was GPL once' })).toEqual([
      'dep is an exception that nothing needs',
    ]);
  });
});

describe('the packages of a folder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'licences-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const install = (path: string, manifest: object) => {
    mkdirSync(join(folder, path), { recursive: true });
    writeFileSync(join(folder, path, 'package.json'), JSON.stringify(manifest));
  };

  test('are found below scopes and below each other', () => {
    install('node_modules/a', { name: 'a', version: '1.0.0', license: 'MIT' });
    install('node_modules/a/node_modules/@s/b', { name: '@s/b', version: '2.0.0', license: 'ISC' });
    install('node_modules/old', { name: 'old', version: '0.1.0', license: { type: 'GPL-2.0' } });
    const found = installedPackages(join(folder, 'node_modules'));
    expect(found.map(({ name, licence }) => `${name} ${licence}`).toSorted()).toEqual([
      '@s/b ISC',
      'a MIT',
      'old GPL-2.0',
    ]);
  });

  test('have the licence that was installed, and otherwise the word of the lockfile', () => {
    install('node_modules/here', { name: 'here', version: '1.0.0', license: 'GPL-3.0-only' });
    const packages = {
      '': { name: 'root' },
      'node_modules/here': { version: '1.0.0', license: 'MIT', dev: true },
      'node_modules/here/node_modules/@s/absent': { version: '3.0.0', license: 'BSD-3-Clause' },
    };
    writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ packages }));
    expect(lockedPackages(folder)).toEqual([
      { name: 'here', version: '1.0.0', licence: 'GPL-3.0-only', isDev: true },
      { name: '@s/absent', version: '3.0.0', licence: 'BSD-3-Clause', isDev: false },
    ]);
  });

  test('that this one installs, builds with and tests with may all be there', () => {
    expect(licenceFaults(lockedPackages(process.cwd()))).toEqual([]);
  });
});
