import { runToEnd } from './terminal.js';

describe('a command line that cannot be', () => {
  test.each<[string, string[], RegExp]>([
    ['a command that there is not', ['chatt', 'recall'], /Did you mean chat\?/],
    ['an option that there is not', ['chat', 'recall', '--max_tokens', '5'], /--max-tokens\?/],
    ['no model', ['chat'], /missing required argument 'model'/],
    ['a model that there is not', ['chat', 'recal'], /"recal".*only 'recall' is.*Give 'recall'/s],
    [
      'a count in words',
      ['chat', 'recall', '--max-tokens', 'five'],
      /'five'.*whole number above 0/,
    ],
    ['a backend that there is not', ['inspect', 'recall', '--backend', 'gpu'], /auto, cpu, cuda/],
    [
      'a context past the model',
      ['chat', 'recall', '--context-len', '5000'],
      /^error: --context-len is 5000; expected an integer from 1 to 4096 \(ERR_INVALID_ARGUMENT\)\.$/m,
    ],
    [
      'a cache that holds no context',
      ['chat', 'recall', '--kv-cache-bytes', '1000'],
      /ERR_POOL_TOO_SMALL\)\. Raise --kv-cache-bytes, or lower --context-len\.$/m,
    ],
  ])('with %s ends with 1 and says what to write', async (_, args, words) => {
    const { exitCode, stdout, stderr } = await runToEnd(args, 'x');
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(words);
  });
});
