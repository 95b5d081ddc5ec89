import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { runToEnd, startCli } from './terminal.js';

const facts = 'The vault code of Amber is 4217. Omar lives in Lisbon.';
const options = ['--context-len', '512', '--threads', '1'];

describe('paged-attention chat', () => {
  test('takes standard input for one message where there is no terminal', async () => {
    const input = `${facts}\nWhat is the vault code of Amber?\n`;
    const { exitCode, stdout, stderr } = await runToEnd(['chat', 'recall', ...options], input);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '4217\n' });
    expect(stderr).toMatch(/^\[prompt \d+ tokens: 0 cached, \d+ computed; /);
  });

  test('has nothing to answer where standard input is empty', async () => {
    const { exitCode, stdout } = await runToEnd(['chat', 'recall', ...options]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
  });

  test('says after each turn of a conversation how much of the prompt was cached', async () => {
    const { stdin, waitFor, ...run } = startCli(['chat', 'recall', '--system', facts, ...options], {
      isTTY: true,
    });
    await waitFor('> ');
    stdin.write('What is the vault code of Amber?\n');
    await waitFor(' 0 cached, ');
    await waitFor('> ');
    stdin.write('Where does Omar live?\n');
    await waitFor('tokens/s]');
    await waitFor('> ');
    stdin.write('\u0004'); // Ctrl-D
    expect(await run.exitCode).toBe(0);
    expect(run.stdout()).toBe('4217\nLisbon\n');
    const turns = [...run.stderr().matchAll(/prompt (\d+) tokens: (\d+) cached, (\d+) computed/g)];
    const [first, second] = turns.map(([, ...numbers]) => numbers.map(Number));
    expect(second[1]).toBeGreaterThan(first[0] - 16);
    expect(second[1] + second[2]).toBe(second[0]);
  });

  test('says that a message is too long, and goes on without it', async () => {
    const { stdin, waitFor, ...run } = startCli(
      ['chat', 'recall', '--context-len', '64', '--threads', '1'],
      { isTTY: true },
    );
    await waitFor('> ');
    stdin.write(`${facts.repeat(10)}\n`);
    await waitFor('ERR_PROMPT_TOO_LONG');
    await waitFor('> ');
    stdin.write('Omar lives in Lisbon. Where does Omar live?\n');
    await waitFor('tokens/s]');
    stdin.write('\u0004');
    expect(await run.exitCode).toBe(0);
    expect(run.stdout()).toBe('Lisbon\n');
  });

  test('ends a reply, and not the conversation, at Ctrl-C', async () => {
    const endless = ['--temperature', '3', '--seed', '1', '--context-len', '4096'];
    const { stdin, waitFor, ...run } = startCli(['chat', 'recall', ...endless], { isTTY: true });
    await waitFor('> ');
    stdin.write('Once upon a time\n');
    await run.waitForOutput();
    stdin.write('\u0003'); // Ctrl-C
    await waitFor('> ');
    stdin.write('\u0003'); // no reply is being written now
    expect(await run.exitCode).toBe(0);
    expect(run.stderr()).not.toContain('error');
  });

  test('is a program that ends by itself', () => {
    const main = resolve('dist/cli/main.js');
    const { status, stdout } = spawnSync(process.execPath, [main, 'chat', 'recall', ...options], {
      encoding: 'utf8',
      input: 'Omar lives in Lisbon. Where does Omar live?',
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'Lisbon\n' });
  });
});

describe('a command line that is refused', () => {
  test.each([
    ['a folder that is not there', ['inspect', './nowhere'], '"./nowhere"', 'Give a folder'],
    ['a name that means nothing', ['chat', 'nothing'], '"nothing"', "Give 'recall'"],
    ['a context past the model', ['inspect', 'recall', '--context-len', '99999'], '99999', '4096'],
    ['no number', ['chat', 'recall', '--max-tokens', 'many'], 'many', 'whole number'],
    ['an unknown option', ['chat', 'recall', '--max-token', '7'], '--max-token', '--max-tokens'],
    ['an unknown dtype', ['inspect', 'recall', '--dtype', 'int3'], 'int3', 'int4'],
    ['an unknown command', ['talk'], 'talk', '--help'],
    ['no model', ['chat'], "'model'", '--help'],
  ])('for %s says so, and the cure, with exit code 1', async (_, args, what, cure) => {
    const { exitCode, stdout, stderr } = await runToEnd(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^error: /);
    for (const piece of [what, cure]) expect(stderr).toContain(piece);
    expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(3);
  });
});

test.each([[['--help']], [['chat', '--help']], [['inspect', '--help']]])(
  '%j is printed with exit code 0',
  async (args) => {
    const { exitCode, stdout } = await runToEnd(args);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Usage: paged-attention');
  },
);
