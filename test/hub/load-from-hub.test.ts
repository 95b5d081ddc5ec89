import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type DownloadProgress, type LoadProgress, load } from '../../dist/index.js';
import { startCli } from '../cli/terminal.js';
import { HubFixture, repo } from './hub-fixture.js';
import { oidOf } from './hub-server.js';

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

describe('processes that download at the same time', () => {
  const args = [resolve('dist/cli/main.js'), 'inspect', repo];
  const startInspect = (): ChildProcess =>
    spawn(process.execPath, args, { stdio: 'ignore', env: process.env });

  beforeEach(() => {
    rmSync(hub.cacheFolder, { recursive: true, force: true });
    hub.server.seen.length = 0;
  });

  test('bring each file once', async () => {
    const exits = await Promise.all(
      [startInspect(), startInspect()].map((one) => once(one, 'exit')),
    );
    expect(exits).toEqual([
      [0, null],
      [0, null],
    ]);
    for (const name of hub.neededNames()) {
      const blob = join(hub.cacheFolder, 'blobs', oidOf(hub.server.files.get(name)!));
      expect(readFileSync(blob).equals(hub.server.files.get(name)!)).toBe(true);
      expect(hub.server.downloads(name)).toHaveLength(1);
    }
  });

  test('go on with the bytes of one that was killed', async () => {
    hub.server.faults = { stallAfter: 5000 };
    const first = startInspect();
    const blobs = join(hub.cacheFolder, 'blobs');
    const stalled = () =>
      (existsSync(blobs) ? readdirSync(blobs) : []).find(
        (name) => name.endsWith('.incomplete') && statSync(join(blobs, name)).size === 5000,
      );
    while (first.exitCode === null && !stalled()) await setTimeout(10);
    const second = startInspect();
    first.kill('SIGKILL');
    expect(await once(second, 'exit')).toEqual([0, null]);
    const ranges = hub.server.downloads().flatMap(({ range }) => range ?? []);
    expect(ranges).toEqual(['bytes=5000-']);
    expect(stalled()).toBeUndefined();
  });
});
