import { Worker } from 'node:worker_threads';
import { EngineError } from '../errors.js';
import { workerProgram } from '../package-folder.js';
import type { GrammarWorkerData, MaskAnswer, MaskCall } from './protocol.js';
import type { FollowRequest, MaskSource, TokenMasks } from './token-masks.js';

export type GrammarWorkerOptions = GrammarWorkerData;

/**
 * Grammars and masks in a thread of their own.
 *
 * Not in the thread that renders chats: a grammar takes tens of milliseconds to compile, a large chat takes as long to
 * render, and neither should wait for the other. It is started by the first grammar, keeps the process alive only while
 * it owes a mask, and one that crashes fails the samples that it followed; the next sample starts another.
 */
export class GrammarWorker implements MaskSource {
  readonly #options: GrammarWorkerOptions;
  readonly #samples = new Map<number, Sample>();
  #worker: Worker | undefined;
  #calls: MaskCall[] = [];
  /** Masks that the worker owes. */
  #numOwed = 0;
  #numSamples = 0;
  #isClosed = false;

  constructor(options: GrammarWorkerOptions) {
    this.#options = options;
  }

  follow(request: FollowRequest, onChange: () => void): TokenMasks {
    if (this.#isClosed) throw new EngineError('ERR_CLOSED', 'the grammar worker is closed');
    const sample = new Sample(this.#numSamples++, request, onChange, {
      follow: (tokens) => this.follow({ ...request, tokens }, onChange),
      accept: (token) => this.#call({ type: 'accept', id: sample.id, token }, 1),
      close: () => {
        if (this.#samples.delete(sample.id)) this.#call({ type: 'close', id: sample.id }, 0);
      },
    });
    this.#samples.set(sample.id, sample);
    this.#call({ type: 'follow', id: sample.id, request }, 1);
    return sample;
  }

  /** Ends the thread. A second call changes nothing. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  /** Calls of one task go together. */
  #call(call: MaskCall, numMasks: number): void {
    if (this.#isClosed) return;
    if (this.#calls.length === 0) queueMicrotask(() => this.#send());
    this.#calls.push(call);
    this.#numOwed += numMasks;
  }

  #send(): void {
    const calls = this.#calls;
    this.#calls = [];
    if (this.#isClosed) return;
    this.#worker ??= this.#spawn();
    this.#worker.postMessage(calls);
    if (this.#numOwed > 0) this.#worker.ref();
  }

  #spawn(): Worker {
    const worker = new Worker(workerProgram('grammar/worker.js'), {
      name: 'paged-attention grammars',
      workerData: this.#options,
      execArgv: [],
    });
    worker.unref();
    const fail = (reason: unknown) => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      const words = reason instanceof Error ? reason.message : String(reason);
      this.#failAll(new EngineError('ERR_GRAMMAR_WORKER', `the grammar worker ended: ${words}`));
    };
    worker.on('message', (answers: MaskAnswer[]) => this.#receive(worker, answers));
    worker.on('error', fail);
    worker.on('exit', (code) => fail(`exit code ${code}`));
    return worker;
  }

  #receive(worker: Worker, answers: readonly MaskAnswer[]): void {
    if (this.#worker !== worker) return;
    this.#numOwed -= answers.length;
    if (this.#numOwed === 0) worker.unref();
    for (const answer of answers) this.#samples.get(answer.id)?.settle(answer);
  }

  #failAll(error: EngineError): void {
    this.#numOwed = 0;
    const samples = [...this.#samples.values()];
    this.#samples.clear();
    for (const sample of samples) sample.fail(error);
  }
}

/** What a sample asks of the worker. */
interface SampleCalls {
  follow(tokens: readonly number[]): TokenMasks;
  accept(token: number): void;
  close(): void;
}

/** Invariant: there is a mask, an error, or an answer on its way. */
class Sample implements TokenMasks {
  readonly id: number;
  error: EngineError | undefined;
  readonly #tokens: number[];
  readonly #onChange: () => void;
  readonly #calls: SampleCalls;
  #mask: Int32Array | undefined;
  /** Answers on their way; the last one's mask counts. */
  #numAwaited = 1;

  constructor(id: number, { tokens }: FollowRequest, onChange: () => void, calls: SampleCalls) {
    this.id = id;
    this.#tokens = [...tokens];
    this.#onChange = onChange;
    this.#calls = calls;
  }

  get isReady(): boolean {
    return this.#mask !== undefined;
  }

  take(): Int32Array {
    return this.#mask as Int32Array;
  }

  accept(token: number): void {
    this.#mask = undefined;
    this.#tokens.push(token);
    if (this.error !== undefined) return;
    this.#numAwaited++;
    this.#calls.accept(token);
  }

  fork(): TokenMasks {
    return this.#calls.follow([...this.#tokens]);
  }

  close(): void {
    this.#calls.close();
  }

  settle(answer: MaskAnswer): void {
    if ('error' in answer) {
      this.fail(new EngineError(answer.error.code, answer.error.message));
      return;
    }
    this.#numAwaited--;
    if (this.#numAwaited > 0) return;
    this.#mask = answer.mask;
    this.#onChange();
  }

  fail(error: EngineError): void {
    this.error = error;
    this.#onChange();
  }
}
