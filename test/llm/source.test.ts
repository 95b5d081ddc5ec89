import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findModelFolder } from '../../lib/llm/source.js';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'paged-attention-source-')));
mkdirSync(join(root, 'owner', 'name'), { recursive: true });
const home = process.cwd();

beforeEach(() => process.chdir(root));
afterEach(() => process.chdir(home));
afterAll(() => rmSync(root, { recursive: true }));

describe('findModelFolder', () => {
  test.each([undefined, 'recall'])('takes %s for the model of the package', async (source) => {
    expect(await findModelFolder(source)).toMatch(/models\/recall\/$/);
  });

  test.each([
    './owner/name',
    `../${root.split('/').at(-1)}/owner/name`,
    join(root, 'owner/name'),
    pathToFileURL(join(root, 'owner/name')).href,
    pathToFileURL(join(root, 'owner/name')),
  ])('takes %s for a folder', async (source) => {
    expect(await findModelFolder(source)).toBe(join(root, 'owner/name'));
  });

  test.each([
    ['./missing', [`the folder ${root}/missing`]],
    ['owner/name', ['hub', `the folder ${root}/owner/name: it exists`]],
    ['owner', ["only 'recall'", `the folder ${root}/owner: it exists`]],
    ['nothing', ["only 'recall'", `the folder ${root}/nothing: there is none`]],
    ['a/b/c', ["only 'recall'", `the folder ${root}/a/b/c: there is none`]],
    ['file://elsewhere/x', ['file URL']],
  ])('refuses %s, naming each reading it tried', async (source, readings) => {
    const error = await findModelFolder(source).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
    for (const reading of [JSON.stringify(source), ...readings]) {
      expect(error.message).toContain(reading);
    }
  });

  test('says how to write a folder that looks like a model of the hub', async () => {
    await expect(findModelFolder('owner/name')).rejects.toMatchObject({
      hint: expect.stringContaining("'./owner/name'"),
    });
  });

  test.each(['', 7, null])('refuses %j, which names nothing', async (source) => {
    await expect(findModelFolder(source as string)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      field: 'source',
    });
  });
});
