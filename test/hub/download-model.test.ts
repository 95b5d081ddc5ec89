import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type DownloadProgress, downloadModel } from '../../lib/hub/index.js';
import { HubFixture, repo } from './hub-fixture.js';
import { oidOf } from './hub-server.js';

const main = { repo, revision: 'main' };
let hub: HubFixture;

beforeEach(async () => {
  hub = new HubFixture();
  await hub.start();
});
afterEach(() => hub.stop());

const refusal = (code: string, ...pieces: string[]) =>
  expect.objectContaining({
    code,
    hint: expect.any(String),
    message: expect.stringMatching(new RegExp(pieces.join('.*'))),
  });

describe('downloadModel', () => {
  test('puts what load needs into the layout that Hugging Face tools share, and nothing else', async () => {
    const folder = await downloadModel(main);
    const { commit, files } = hub.server;
    expect(folder).toBe(join(hub.cacheFolder, 'snapshots', commit));
    expect(readdirSync(folder).sort()).toEqual(hub.neededNames());
    expect(readFileSync(join(hub.cacheFolder, 'refs', 'main'), 'utf8')).toBe(commit);
    for (const name of hub.neededNames()) {
      const content = files.get(name)!;
      expect(readlinkSync(join(folder, name))).toBe(`../../blobs/${oidOf(content)}`);
      expect(readFileSync(join(folder, name)).equals(content)).toBe(true);
    }
    expect(readdirSync(join(hub.cacheFolder, 'blobs'))).toHaveLength(hub.neededNames().length);
  });

  test('downloads nothing that is there', async () => {
    const folder = await downloadModel(main);
    hub.server.seen.length = 0;
    expect(await downloadModel({ repo, revision: 'v1' })).toBe(folder);
    expect(hub.server.downloads()).toEqual([]);
    hub.server.seen.length = 0;
    expect(await downloadModel({ repo, revision: hub.server.commit })).toBe(folder);
    expect(hub.server.seen).toEqual([]); // a commit never changes
  });

  test('takes a blob that another tool or another revision left', async () => {
    const name = hub.largestName();
    const content = hub.server.files.get(name)!;
    const blobs = join(hub.cacheFolder, 'blobs');
    mkdirSync(blobs, { recursive: true });
    writeFileSync(join(blobs, oidOf(content)), content);
    await downloadModel(main);
    expect(hub.server.downloads(name)).toEqual([]);
  });

  test('goes on where a broken connection left off', async () => {
    const name = hub.largestName();
    hub.server.faults = { cutAfter: Array(40).fill(30_000) };
    const folder = await downloadModel(main);
    expect(readFileSync(join(folder, name)).equals(hub.server.files.get(name)!)).toBe(true);
    const ranges = hub.server.downloads(name).map(({ range }) => Number(/\d+/.exec(range ?? '0')));
    expect(ranges.length).toBeGreaterThan(1);
    expect(ranges).toEqual([...new Set(ranges)].sort((a, b) => a - b));
  });

  test('continues in the next call what one that failed had received', async () => {
    const name = hub.largestName();
    const content = hub.server.files.get(name)!;
    const stop = new Error('seen enough');
    const onProgress = ({ file }: DownloadProgress) => {
      if (file === name) throw stop;
    };
    await expect(downloadModel(main, { onProgress })).rejects.toBe(stop);
    const incomplete = join(hub.cacheFolder, 'blobs', `${oidOf(content)}.incomplete`);
    writeFileSync(incomplete, content.subarray(0, 12_345));
    hub.server.seen.length = 0;
    const folder = await downloadModel(main);
    expect(hub.server.downloads(name).map(({ range }) => range)).toEqual(['bytes=12345-']);
    expect(readFileSync(join(folder, name)).equals(content)).toBe(true);
    expect(existsSync(incomplete)).toBe(false);
  });

  test('starts a file anew when the server gives all of it instead of the rest', async () => {
    const name = hub.largestName();
    const content = hub.server.files.get(name)!;
    mkdirSync(join(hub.cacheFolder, 'blobs'), { recursive: true });
    const incomplete = join(hub.cacheFolder, 'blobs', `${oidOf(content)}.incomplete`);
    writeFileSync(incomplete, content.subarray(0, 999));
    hub.server.faults = { ignoresRange: true };
    const folder = await downloadModel(main);
    expect(readFileSync(join(folder, name)).equals(content)).toBe(true);
  });

  test('reports bytes from 0 to all of them', async () => {
    const reports: DownloadProgress[] = [];
    await downloadModel(main, { onProgress: (progress) => reports.push(progress) });
    const totalBytes = hub
      .neededNames()
      .reduce((sum, name) => sum + hub.server.files.get(name)!.length, 0);
    expect(reports.at(-1)).toMatchObject({
      stage: 'download',
      loadedBytes: totalBytes,
      totalBytes,
    });
    const loaded = reports.map(({ loadedBytes }) => loadedBytes);
    expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
    expect(new Set(reports.map(({ file }) => file)).size).toBe(hub.neededNames().length);
  });

  test('shows the token to the hub and to no other host', async () => {
    process.env.HF_TOKEN = 'hf_secret';
    hub.server.faults = { listsElsewhere: true };
    await downloadModel(main);
    const { seen } = hub.server;
    const elsewhere = seen.filter(({ host }) => host.startsWith('localhost'));
    for (const part of ['/cdn/', '/tree/']) {
      expect(elsewhere.some(({ path }) => path.includes(part))).toBe(true);
    }
    for (const { host, authorization } of seen) {
      expect(authorization).toBe(host.startsWith('localhost') ? undefined : 'Bearer hf_secret');
    }
  });

  test('ends at an aborted signal, with its reason', async () => {
    const abort = new AbortController();
    const onProgress = () => abort.abort(new Error('enough'));
    const options = { signal: abort.signal, onProgress };
    await expect(downloadModel(main, options)).rejects.toThrow('enough');
  });

  test('brings each file once when several ask for it at the same time', async () => {
    const folders = await Promise.all(Array.from({ length: 4 }, () => downloadModel(main)));
    for (const name of hub.neededNames()) {
      const content = hub.server.files.get(name)!;
      expect(readFileSync(join(folders[3], name)).equals(content)).toBe(true);
      expect(hub.server.downloads(name)).toHaveLength(1);
    }
    expect(readdirSync(join(hub.cacheFolder, 'blobs'))).toHaveLength(hub.neededNames().length);
  });

  test('puts a whole file where a snapshot has a part of it', async () => {
    const name = hub.largestName();
    const path = join(await downloadModel(main), name);
    rmSync(path);
    writeFileSync(path, 'a part');
    await downloadModel(main);
    expect(readFileSync(path).equals(hub.server.files.get(name)!)).toBe(true);
    expect(readdirSync(dirname(path)).sort()).toEqual(hub.neededNames());
  });

  test.each(['../x', '/etc/x', 'a/x', 'a\\x', '.x', 'x\0y', ''])(
    'refuses an index that names the shard %j.safetensors',
    async (stem) => {
      const index = JSON.stringify({ weight_map: { a: `${stem}.safetensors` } });
      hub.server.files.set('model.safetensors.index.json', Buffer.from(index));
      hub.server.files.set(`${stem}.safetensors`, Buffer.from('x'));
      const shown = JSON.stringify(`${stem}.safetensors`);
      await expect(downloadModel(main)).rejects.toMatchObject({
        code: 'ERR_SAFETENSORS_INDEX',
        message: expect.stringContaining(shown),
      });
    },
  );

  test('refuses another commit than the one that was asked for', async () => {
    const commit = 'f'.repeat(40);
    hub.server.faults = { commit };
    const pinned = { repo, revision: hub.server.commit };
    await expect(downloadModel(pinned)).rejects.toEqual(
      refusal('ERR_HUB_FAILED', commit, pinned.revision),
    );
  });

  test.each(['<html>Log in</html>', '[null]', '{}'])('refuses the answer %j', async (text) => {
    hub.server.faults = { text };
    await expect(downloadModel(main)).rejects.toEqual(refusal('ERR_HUB_FAILED', repo));
  });

  test.each(['hf-mirror.com', 'ftp://hub'])('refuses HF_ENDPOINT=%s', async (endpoint) => {
    process.env.HF_ENDPOINT = endpoint;
    await expect(downloadModel(main)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      field: 'HF_ENDPOINT',
      value: endpoint,
    });
  });

  test('names the cache that cannot be written', async () => {
    const file = join(hub.home, 'file');
    writeFileSync(file, '');
    process.env.HF_HUB_CACHE = join(file, 'hub');
    await expect(downloadModel(main)).rejects.toEqual(refusal('ERR_HUB_CACHE', file, 'ENOTDIR'));
  });

  test('asks nobody with HF_HUB_OFFLINE, and names what is missing', async () => {
    process.env.HF_HUB_OFFLINE = '1';
    await expect(downloadModel(main)).rejects.toEqual(refusal('ERR_HUB_OFFLINE', repo, hub.home));
    delete process.env.HF_HUB_OFFLINE;
    const folder = await downloadModel(main);
    hub.server.seen.length = 0;
    process.env.HF_HUB_OFFLINE = '1';
    expect(await downloadModel(main)).toBe(folder);
    expect(hub.server.seen).toEqual([]);
  });

  test('without a network takes the last download, and else says whom it asked', async () => {
    const folder = await downloadModel(main);
    process.env.HF_ENDPOINT = 'http://127.0.0.1:9';
    expect(await downloadModel(main)).toBe(folder);
    const other = { repo: 'owner/other', revision: 'main' };
    await expect(downloadModel(other)).rejects.toEqual(
      refusal('ERR_HUB_UNREACHABLE', 'http://127.0.0.1:9'),
    );
  });

  test.each([
    ['a gated model', { status: 403, errorCode: 'GatedRepo' }, 'ERR_HUB_ACCESS', '403'],
    ['a private model', { status: 401 }, 'ERR_HUB_ACCESS', 'without a token'],
    ['an unknown model', { status: 401, errorCode: 'RepoNotFound' }, 'ERR_HUB_NOT_FOUND', repo],
    ['a server in trouble', { status: 503 }, 'ERR_HUB_FAILED', '503'],
  ])('refuses %s with a code of its own', async (_, faults, code, piece) => {
    hub.server.faults = faults;
    await expect(downloadModel(main)).rejects.toEqual(refusal(code, piece));
  });

  test('refuses a revision that is not there, by its name', async () => {
    await expect(downloadModel({ repo, revision: 'v9' })).rejects.toEqual(
      refusal('ERR_HUB_REVISION_NOT_FOUND', 'v9'),
    );
  });

  test.each([
    ['other bytes', (content: Buffer) => Buffer.alloc(content.length, 7)],
    ['more bytes', (content: Buffer) => Buffer.concat([content, content])],
  ])(
    'refuses %s than the hub lists, keeps none of them, and gets it right next time',
    async (_, change) => {
      const name = hub.largestName();
      const content = hub.server.files.get(name)!;
      await downloadModel(main); // all but what follows is there
      const blob = join(hub.cacheFolder, 'blobs', oidOf(content));
      writeFileSync(blob, content.subarray(1)); // a blob of a wrong size counts as none
      hub.server.faults = { replaceWith: change(content) };
      await expect(downloadModel(main)).rejects.toEqual(refusal('ERR_HUB_CORRUPT', name));
      expect(existsSync(`${blob}.incomplete`)).toBe(false);
      hub.server.faults = {};
      const folder = await downloadModel(main);
      expect(readFileSync(join(folder, name)).equals(content)).toBe(true);
    },
  );
});
