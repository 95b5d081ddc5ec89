import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { EngineError } from '../errors.js';
import { chat } from './chat.js';
import { DoctorFailure, doctor } from './doctor/doctor.js';
import { printInspection } from './print-inspection.js';
import { say, type Terminal } from './terminal.js';

const modelHelp = "'recall' (comes with the package), ./folder, or owner/name";

/**
 * Runs one command line and gives the exit code: 0, or 1 after one sentence that says what is wrong and what to do.
 *
 * @param args without `node` and the script
 */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  terminal.stdout.on('error', leaveQuietly);
  try {
    await programFor(terminal).parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    if (error instanceof DoctorFailure) return 1;
    say(terminal, `error: ${sentenceOf(error)}`);
    return 1;
  }
}

/** Whoever read the output has read enough, as `| head` does. */
function leaveQuietly(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
}

function programFor(terminal: Terminal): Command {
  const program = new Command('paged-attention')
    .description('Chats with language models in this process, and says what they need.')
    .version(packageVersion())
    .exitOverride()
    .showHelpAfterError('Run paged-attention --help for commands and options.')
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
    });
  addModelOptions(program.command('chat'))
    .description(
      'Talk with a model: line by line on a terminal, else one message from standard input. ' +
        'After each reply: how many tokens of the prompt came from the cache.',
    )
    .addOption(new Option('--system <text>', 'what the model is told before the first message'))
    .addOption(numberOption('--max-tokens <count>', 'tokens of a reply, at most', isCount))
    .addOption(
      numberOption('--temperature <number>', '0 takes the likeliest token', Number.isFinite),
    )
    .addOption(numberOption('--seed <number>', 'draws the same reply again', Number.isSafeInteger))
    .addOption(numberOption('--threads <count>', 'cores that compute', isCount))
    .addOption(numberOption('--kv-cache-bytes <bytes>', 'memory of the KV cache', isCount))
    .action((model, options) => chat(model, options, terminal));
  addModelOptions(program.command('inspect'))
    .description('Say what a model is and what of it fits into this machine, without loading it.')
    .addOption(new Option('--json', 'as one JSON object'))
    .action((model, options) => printInspection(model, options, terminal));
  program
    .command('doctor')
    .exitOverride()
    .description('Say what this machine has, what of it is used, and whether it works.')
    .addOption(new Option('--json', 'as one JSON object'))
    .action((options) => doctor({ ...options, version: packageVersion() }, terminal));
  return program;
}

/** What decides how much memory a model takes; the same for every command. */
function addModelOptions(command: Command): Command {
  return command
    .argument('<model>', modelHelp)
    .exitOverride()
    .addOption(new Option('--revision <name>', 'branch, tag or commit of owner/name'))
    .addOption(backendOption())
    .addOption(dtypeOption('--dtype <dtype>', 'of the weights', ['int8', 'int4']))
    .addOption(dtypeOption('--kv-dtype <dtype>', 'of the KV cache', []))
    .addOption(numberOption('--context-len <tokens>', 'longest conversation', isCount));
}

const backendOption = (): Option =>
  new Option('--backend <name>', 'where it computes').choices(['auto', 'cpu', 'cuda']);

const dtypeOption = (flags: string, help: string, more: readonly string[]): Option =>
  new Option(flags, help).choices(['auto', 'f32', 'f16', 'bf16', ...more]);

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 1;

function numberOption(flags: string, help: string, isValid: (value: number) => boolean): Option {
  return new Option(flags, help).argParser((text) => {
    const value = Number(text);
    if (text.trim() !== '' && isValid(value)) return value;
    throw new InvalidArgumentError(
      isValid === isCount ? 'Give a whole number above 0.' : 'Give a number.',
    );
  });
}

/**
 * What is wrong, and the cure: the error's own, or the page that has one for each code. A refused argument says itself
 * what was expected. Options are named as they are here.
 */
function sentenceOf(error: unknown): string {
  if (!(error instanceof EngineError))
    return error instanceof Error ? error.message : String(error);
  const { message, code, hint } = error;
  const page =
    code === 'ERR_INVALID_ARGUMENT' ? '' : `docs/errors.md says what to do about ${code}`;
  return asFlags(`${message} (${code}). ${hint ?? page}`.trim());
}

/** `kvCacheBytes` of a program is `--kv-cache-bytes` on a command line, and `backend: 'cpu'` is `--backend cpu`. */
function asFlags(text: string): string {
  const dashed = (name: string) => name.replaceAll(/[A-Z]/g, (char) => `-${char.toLowerCase()}`);
  return text
    .replaceAll(/\b(contextLen|kvCacheBytes|kvDtype|maxTokens)\b/g, (name) => `--${dashed(name)}`)
    .replaceAll(/\b(backend|dtype): '(\w+)'/g, '--$1 $2');
}

function packageVersion(): string {
  const path = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
