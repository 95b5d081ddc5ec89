import { PassThrough } from 'node:stream';
import { runCli } from '../../dist/cli/index.js';

/** One run of the command line over streams of its own. */
export interface CliRun {
  readonly stdin: PassThrough;
  readonly exitCode: Promise<number>;
  /** Everything printed so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves when standard error shows `text` after what an earlier wait saw. */
  waitFor(text: string): Promise<void>;
  /** Resolves when standard output shows anything. */
  waitForOutput(): Promise<void>;
}

/** Starts a command line; with `isTTY` it believes to be on a terminal. */
export function startCli(args: readonly string[], { isTTY = false } = {}): CliRun {
  const stdin = Object.assign(new PassThrough(), { isTTY });
  const [stdout, stderr] = [collect(isTTY), collect(isTTY)];
  let seen = 0;
  return {
    stdin,
    exitCode: runCli(args, { stdin, stdout: stdout.stream, stderr: stderr.stream }),
    stdout: stdout.text,
    stderr: stderr.text,
    waitFor: async (text) => {
      for (;;) {
        const at = stderr.text().indexOf(text, seen);
        if (at >= 0) {
          seen = at + text.length;
          return;
        }
        await stderr.changed();
      }
    },
    waitForOutput: async () => {
      while (stdout.text() === '') await stdout.changed();
    },
  };
}

/** Runs a command line to its end, with `input` as standard input. */
export async function runToEnd(args: readonly string[], input = '') {
  const run = startCli(args);
  run.stdin.end(input);
  const exitCode = await run.exitCode;
  return { exitCode, stdout: run.stdout(), stderr: run.stderr() };
}

function collect(isTTY: boolean) {
  const stream = Object.assign(new PassThrough(), { isTTY });
  let text = '';
  let wake = () => {};
  stream.on('data', (piece) => {
    text += piece;
    wake();
  });
  return {
    stream,
    text: () => text,
    changed: () =>
      new Promise<void>((resolve) => {
        wake = resolve;
      }),
  };
}
