import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A process with one engine in it, which computes only while it is called. */
export class Child {
  #process;
  #pending = new Map();
  #nextId = 1;

  /**
   * @param script file of this folder
   * @param env on top of this process's
   */
  constructor(script, env = {}) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    // What libraries print goes to stderr: stdout is the table.
    const stdio = ['ignore', process.stderr, 'inherit', 'ipc'];
    this.#process = fork(path, { env: { ...process.env, ...env }, stdio });
    this.#process.on('message', ({ id, result, error }) => {
      const { resolve, reject } = this.#pending.get(id);
      this.#pending.delete(id);
      if (error === undefined) resolve(result);
      else reject(Object.assign(new Error(`${script}: ${error.message}`), { code: error.code }));
    });
    this.#process.on('exit', (code, signal) => {
      const error = new Error(`${script} ended: ${signal ?? code}`);
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
    });
  }

  /** Runs one of the script's functions; rejects with its error, or when the process ends. */
  call(op, args = {}) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#process.send({ id, op, args });
    });
  }

  /** Ends the process; resolves when it is gone. */
  async stop() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.disconnect();
    await gone;
  }
}
