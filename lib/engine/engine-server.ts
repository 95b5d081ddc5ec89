import type { MessagePort } from 'node:worker_threads';
import type { EngineCore } from './engine-core.js';
import { failureOf } from './failure.js';
import type { StepOutput } from './messages.js';
import type { EngineCall, FromEngine, ToEngine } from './worker-protocol.js';

/** While requests run, the other side's statistics are not older than about this. */
const maxStatsAgeMs = 100;

/** An engine in a Worker, and what goes with it. */
export interface ServedEngine {
  readonly core: EngineCore;
  /** Told to the other side with the first message; plain data. */
  readonly opened: unknown;
  /** Frees what the engine stood on, after it was closed. */
  readonly free: () => Promise<void>;
}

/**
 * Opens an engine and does what a `RemoteEngine` at the other end of `port` asks, until it is closed. Whatever goes
 * wrong while opening is that one's to throw.
 *
 * @param open may report how far it is: plain data
 */
export async function serveEngine(
  port: MessagePort,
  open: (report: (news: unknown) => void) => Promise<ServedEngine>,
): Promise<void> {
  const report = (news: unknown) => {
    port.postMessage({ type: 'opening', news } satisfies FromEngine);
  };
  try {
    new EngineServer(port, await open(report)).start();
  } catch (error) {
    port.postMessage({ type: 'refused', failure: failureOf(0, error) } satisfies FromEngine);
    port.close();
  }
}

class EngineServer {
  readonly #port: MessagePort;
  readonly #served: ServedEngine;
  #statsSentMs = 0;
  #isStatsScheduled = false;
  #closing: Promise<void> | undefined;

  constructor(port: MessagePort, served: ServedEngine) {
    this.#port = port;
    this.#served = served;
  }

  start(): void {
    const { core, opened } = this.#served;
    core.onStep((output) => this.#sendStep(output));
    this.#port.on('message', (message: ToEngine) => this.#handle(message));
    this.#send({ type: 'opened', opened, stats: this.#takeStats() });
  }

  #handle(message: ToEngine): void {
    const { core } = this.#served;
    if (message.type === 'submit') core.submit(message.message);
    else if (message.type === 'fork') core.fork(message.message);
    else if (message.type === 'abort') core.abort(message.id);
    else if (message.type === 'call') this.#answer(message);
    else if (message.type === 'close') void this.#close(message.mode);
    else {
      core.releaseHandle(message.handle);
      this.#scheduleStats();
    }
  }

  #answer({ call, method, argument }: EngineCall): void {
    try {
      const act = this.#served.core[method] as (argument: unknown) => unknown;
      const result = act.call(this.#served.core, argument);
      this.#send({ type: 'answer', call, result, stats: this.#takeStats() });
    } catch (error) {
      this.#send({ type: 'failure', call, failure: failureOf(call, error) });
    }
  }

  /** Statistics are larger than most steps' events: they go along when a request ended, and now and then. */
  #sendStep(output: StepOutput): void {
    const isDue = performance.now() - this.#statsSentMs >= maxStatsAgeMs;
    const isEnd = output.events.some(({ type }) => type === 'finished' || type === 'failed');
    if (isDue || isEnd) this.#send({ type: 'step', output, stats: this.#takeStats() });
    else this.#send({ type: 'step', output });
  }

  #scheduleStats(): void {
    if (this.#isStatsScheduled) return;
    this.#isStatsScheduled = true;
    setImmediate(() => {
      this.#isStatsScheduled = false;
      if (!this.#closing) this.#send({ type: 'stats', stats: this.#takeStats() });
    });
  }

  #takeStats() {
    this.#statsSentMs = performance.now();
    return this.#served.core.stats();
  }

  /** A second call may hurry the first. */
  async #close(mode: 'drain' | 'abort'): Promise<void> {
    const closed = this.#served.core.close(mode);
    if (this.#closing) return;
    this.#closing = closed;
    try {
      await closed;
      await this.#served.free();
      this.#send({ type: 'closed' });
    } catch (error) {
      this.#send({ type: 'closed', failure: failureOf(0, error) });
    }
    this.#port.close();
  }

  #send(message: FromEngine): void {
    this.#port.postMessage(message);
  }
}
