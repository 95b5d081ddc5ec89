import { join } from 'node:path';
import { type DownloadProgress, type LoadProgress, load } from '../../dist/index.js';
import { startCli } from '../cli/terminal.js';
import { HubFixture, repo } from './hub-fixture.js';

const hub = new HubFixture();
beforeAll(() => hub.start());
afterAll(() => hub.stop());

const options = { contextLen: 64, threads: 1 };

test('load(owner/name) answers as the folder does that was uploaded', async () => {
  const stages: string[] = [];
  const onProgress = ({ stage }: DownloadProgress | LoadProgress) => stages.push(stage);
  const downloaded = await load(`${repo}@v1`, { ...options, onProgress });
  const local = await load(hub.modelFolder, options);
  expect(downloaded.info.folder).toBe(join(hub.cacheFolder, 'snapshots', hub.server.commit));
  expect(downloaded.info.fingerprint).toBe(local.info.fingerprint);
  expect([...new Set(stages)]).toEqual(['download', 'weights']);
  await Promise.all([downloaded.close(), local.close()]);
});

test.each([
  ['./nowhere', { revision: 'v1' }, { code: 'ERR_INVALID_ARGUMENT', field: 'revision' }],
  [`${repo}@v1`, { revision: 'main' }, { code: 'ERR_INVALID_ARGUMENT', field: 'revision' }],
  [`${repo}@../x`, {}, { code: 'ERR_INVALID_ARGUMENT', field: 'revision' }],
  [repo, { revision: 'v9' }, { code: 'ERR_HUB_REVISION_NOT_FOUND' }],
])('load(%j, %j) is refused', async (source, more, expected) => {
  await expect(load(source, { ...options, ...more })).rejects.toMatchObject(expected);
});

test('the command line draws a bar on a terminal', async () => {
  const run = startCli(['inspect', repo, '--revision', 'refs/pr/1'], { isTTY: true });
  expect(await run.exitCode).toBe(0);
  expect(run.stdout()).toContain('LlamaForCausalLM');
  expect(run.stderr()).toMatch(/\[#+\.*\] \S+ [\d.]+ \w+ of [\d.]+ \w+/);
});
