import { readFileSync } from 'node:fs';
import { EngineError, errorCodes, InvalidArgumentError, OutOfBlocksError } from '../lib/errors.js';
import { listFiles } from './setup/list-files.js';

describe('errors', () => {
  test('docs/errors.md has exactly one row per declared code', () => {
    const table = readFileSync('docs/errors.md', 'utf8');
    const documented = [...table.matchAll(/^\| `?(ERR_[A-Z_]+)`? \|/gm)].map(([, code]) => code);
    expect(documented.toSorted()).toEqual(Object.keys(errorCodes).toSorted());
  });

  test('every declared code is thrown somewhere in lib/ or addon/', () => {
    const sources = readSources();
    const unused = Object.keys(errorCodes).filter(
      (code) => !sources.includes(`'${code}'`) && !sources.includes(`"${code}"`),
    );
    expect(unused).toEqual([]);
  });

  test('an invalid argument names its field, its value and the limit', () => {
    const error = new InvalidArgumentError('topP', 2, 'a number in (0, 1]');
    expect(error.message).toBe('topP is 2; expected a number in (0, 1]');
    expect(error).toBeInstanceOf(EngineError);
    expect(error).toMatchObject({ field: 'topP', value: 2, limit: 'a number in (0, 1]' });
  });

  test('running out of blocks says how many were needed and free', () => {
    expect(new OutOfBlocksError(3, 1).message).toBe('need 3 blocks; 1 are free');
  });
});

function readSources(): string {
  const files = listFiles('lib').concat(listFiles('addon'));
  return files
    .map((file) => readFileSync(file, 'utf8'))
    .map((text) => text.replace(/export const errorCodes = \{[\s\S]*?\} as const;/, ''))
    .join('\n');
}
