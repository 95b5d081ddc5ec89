// Runs the compiled package: a worker's file is JavaScript.
import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { StreamDecoder, TextWorker } from '../../dist/text/index.js';
import { readTokenizerFiles, TextCore } from '../../lib/text/index.js';
import { tinyTemplate, writeTokenizer } from './tiny-tokenizer.js';

const workers: TextWorker[] = [];

async function start(options: { folder: string; maxHeapMb?: number }): Promise<TextWorker> {
  const worker = await TextWorker.start(options);
  workers.push(worker);
  return worker;
}

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.close()));
});

/** A chat that is too long to be rendered in the calling thread. */
function longChat(numMessages = 200) {
  return Array.from({ length: numMessages }, (_, i) => ({
    role: i % 2 === 0 ? ('user' as const) : ('assistant' as const),
    content: `Message ${i}: the vault code of Amber is ${4217 + i}. 日本 🏳️‍🌈`,
  }));
}

/** Worker threads of this process. */
function numThreads(): number {
  const { workers } = process.report.getReport() as unknown as { workers: unknown[] };
  return workers.length;
}

describe('TextWorker', () => {
  test('tokenises a chat of 200 messages as the calling thread would', async () => {
    const folder = writeTokenizer();
    const worker = await start({ folder });
    const core = new TextCore(await readTokenizerFiles(folder));
    const request = { messages: longChat(), wantSections: true };
    const [there, here] = await Promise.all([
      worker.tokenizeChat(request),
      core.tokenizeChat(request),
    ]);
    expect(there.tokens).toEqual(here.tokens);
    expect(there.sections).toEqual(here.sections);
    expect(there.sections).toHaveLength(200);
  });

  test('starts no thread before a text is large', async () => {
    const numBefore = numThreads();
    const worker = await start({ folder: writeTokenizer() });
    await worker.tokenizeChat({ messages: longChat(2) });
    await worker.encode('code');
    expect(numThreads()).toBe(numBefore);
    await worker.tokenizeChat({ messages: longChat() });
    expect(numThreads()).toBe(numBefore + 1);
  });

  test('leaves the calling thread free while it tokenises', async () => {
    const worker = await start({ folder: writeTokenizer() });
    let isDone = false;
    let numTurns = 0;
    const done = worker.tokenizeChat({ messages: longChat(4000) }).then(() => {
      isDone = true;
    });
    while (!isDone) {
      numTurns++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await done;
    expect(numTurns).toBeGreaterThan(10);
  });

  test('encodes a long text as a short one, piece by piece', async () => {
    const worker = await start({ folder: writeTokenizer() });
    const [short, long] = await Promise.all([
      worker.encode('code\n'),
      worker.encode('code\n'.repeat(5000)),
    ]);
    expect(long.length).toBe(short.length * 5000);
  });

  test('decodes what it encoded', async () => {
    const worker = await start({ folder: writeTokenizer() });
    const tokenIds = [...(await worker.encode('語 and 🏳️‍🌈'))];
    const additions = [{ stream: new StreamDecoder(), tokenIds, isLast: true }];
    const texts = await StreamDecoder.push((windows) => worker.decodeBatch(windows), additions);
    expect(texts).toEqual(['語 and 🏳️‍🌈']);
  });

  test.each([2, 200])('gives typed errors for %d messages', async (numMessages) => {
    const worker = await start({ folder: writeTokenizer() });
    const messages = longChat(numMessages);
    messages[numMessages - 1] = { role: 'user' } as never;
    await expect(worker.tokenizeChat({ messages })).rejects.toMatchObject({
      name: 'InvalidArgumentError',
      code: 'ERR_INVALID_ARGUMENT',
      field: `messages[${numMessages - 1}].content`,
    });
  });

  test.each([2, 200])("gives a template's words for %d messages", async (numMessages) => {
    const chat_template = "{{ raise_exception('roles must alternate') }}";
    const worker = await start({ folder: writeTokenizer({ config: { chat_template } }) });
    await expect(worker.tokenizeChat({ messages: longChat(numMessages) })).rejects.toMatchObject({
      code: 'ERR_TEMPLATE',
      message: expect.stringContaining('roles must alternate'),
    });
  });

  test('refuses messages that cannot be cloned', async () => {
    const worker = await start({ folder: writeTokenizer() });
    const messages = longChat().map((message) => ({ ...message, extra: () => 0 }));
    await expect(worker.tokenizeChat({ messages })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
  });

  test('does not start on a tokenizer that is malformed', async () => {
    const folder = writeTokenizer({ tokenizer: { model: 7 } });
    await expect(TextWorker.start({ folder })).rejects.toMatchObject({
      code: 'ERR_TOKENIZER_INVALID',
    });
  });

  test('fails its calls when it crashes, and answers the next one', async () => {
    const growing = `{% if messages[0].content == 'grow' %}{% for i in range(3000000) %}
      {{ 'x' * 10 ~ i }}{% endfor %}{% endif %}`;
    const config = { bos_token: '<s>', chat_template: growing + tinyTemplate };
    const worker = await start({ folder: writeTokenizer({ config }), maxHeapMb: 24 });
    const fatal = [{ role: 'user' as const, content: 'grow' }, ...longChat(100)];
    const calls = [
      worker.tokenizeChat({ messages: fatal }),
      worker.tokenizeChat({ messages: longChat() }),
    ];
    const results = await Promise.allSettled(calls);
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ERR_TEXT_WORKER' } });
    }
    const { tokens } = await worker.tokenizeChat({ messages: longChat() });
    expect(tokens.length).toBeGreaterThan(1000);
  });
});

describe('close', () => {
  test('rejects the calls it finds, and those that come later', async () => {
    const worker = await start({ folder: writeTokenizer() });
    const call = worker.tokenizeChat({ messages: longChat() });
    const closed = worker.close();
    await expect(call).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await closed;
    const messages = longChat(1);
    await expect(worker.tokenizeChat({ messages })).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await expect(worker.encode('x')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await expect(worker.decodeBatch([[1]])).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  test('may be called twice', async () => {
    const worker = await start({ folder: writeTokenizer() });
    await Promise.all([worker.close(), worker.close()]);
    await worker.close();
  });

  test('is not needed for the process to end', () => {
    const module = pathToFileURL('dist/text/index.js').href;
    const script = `
      const { TextWorker } = await import(${JSON.stringify(module)});
      const worker = await TextWorker.start({ folder: ${JSON.stringify(writeTokenizer())} });
      const messages = Array(50).fill({ role: 'user', content: 'x' });
      console.log((await worker.tokenizeChat({ messages })).tokens.length);`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect(child).toMatchObject({ status: 0, stdout: '152\n', stderr: '' });
  });
});
