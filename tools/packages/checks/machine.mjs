// A machine as a user has it who never compiles: a PATH with Node and the handful of programs that shell wrappers
// of package managers call, a home folder of its own, and nothing else of this one's environment.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const programs = ['sh', 'env', 'basename', 'dirname', 'sed', 'uname'];
const compilers =
  /^(cc|c\+\+|gcc|g\+\+|clang|clang\+\+|ld|make|cmake|ninja|python|python3|node-gyp)$/;
/** How the registry is reached; everything else of the environment stays out. */
const passedOn = /^(https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|npm_config_registry)$/i;

/** Of one command. */
const timeoutMs = 300_000;

function findProgram(name) {
  const folder = process.env.PATH.split(delimiter).find((path) => existsSync(join(path, name)));
  if (folder === undefined) throw new Error(`${name} is not on the PATH`);
  return join(folder, name);
}

export class BareMachine {
  /**
   * @param node executable that is called `node` on this machine
   * @param folder where its PATH folder and its home are made
   */
  constructor(node, folder) {
    this.node = node;
    this.bin = join(folder, 'bin');
    this.home = join(folder, 'home');
    mkdirSync(this.bin, { recursive: true });
    mkdirSync(this.home, { recursive: true });
    for (const name of programs) symlinkSync(findProgram(name), join(this.bin, name));
    symlinkSync(node, join(this.bin, 'node'));
    if (readdirSync(this.bin).some((name) => compilers.test(name))) throw new Error('a compiler');
    this.version = this.run(node, ['--version'], folder).text.trim();
  }

  /** Runs a command; its two streams come back as one text. */
  run(command, args, cwd, { input = '', environment = {} } = {}) {
    const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
      cwd,
      input,
      encoding: 'utf8',
      timeout: timeoutMs,
      env: { ...this.environment(), ...environment },
    });
    return { status, text: `${stdout}${stderr}${error?.message ?? signal ?? ''}` };
  }

  environment() {
    const passed = Object.entries(process.env).filter(([name]) => passedOn.test(name));
    return {
      ...Object.fromEntries(passed),
      PATH: this.bin,
      HOME: this.home,
      // What was downloaded for one check is not downloaded again for the next.
      npm_config_cache: sharedCache,
      npm_config_update_notifier: 'false',
    };
  }
}

const sharedCache = spawnSync('npm', ['config', 'get', 'cache'], {
  encoding: 'utf8',
}).stdout.trim();
