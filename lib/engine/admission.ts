import { QueueFullError, type QueueLimit } from '../errors.js';
import type { Backlog } from './backlog.js';
import type { SaltQuotas } from './salt-quota.js';
import type { Scheduler } from './scheduler.js';
import type { Sequence } from './sequence.js';
import { checkInteger, saltOf } from './validation.js';

export interface AdmissionOptions {
  readonly scheduler: Scheduler;
  readonly backlog: Backlog;
  readonly quotas: SaltQuotas;
  readonly maxSeqs: number;
  /** Sequences that may wait; default 1,024. */
  readonly maxQueue: number | undefined;
  /** Sequences of one salt that may wait; default: `maxQueue`. */
  readonly maxQueuePerSalt: number | undefined;
}

/** Whom a refused request would have waited for. */
interface Ahead {
  readonly running: readonly Sequence[];
  readonly waiting: readonly Sequence[];
  /** Sequences of them that run at once. */
  readonly maxSeqs: number;
}

/** The longest time that a timer of Node takes: what a caller is told goes into `setTimeout` as it is. */
const maxRetryMs = 2 ** 31 - 1;

/** Bounds the queue: refuses what it cannot hold, and says when to come again. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #maxQueue: number;
  readonly #maxQueuePerSalt: number;
  /** Requests that were refused since the queue, or its part for their salt, was full. */
  numRefused = 0;

  /** @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` */
  constructor(options: AdmissionOptions) {
    this.#options = options;
    const { maxQueue = 1024, maxQueuePerSalt = maxQueue } = options;
    checkInteger('maxQueue', maxQueue, 1, Number.MAX_SAFE_INTEGER);
    checkInteger('maxQueuePerSalt', maxQueuePerSalt, 1, maxQueue);
    this.#maxQueue = maxQueue;
    this.#maxQueuePerSalt = maxQueuePerSalt;
  }

  /**
   * Sees to it that another request of a salt may wait.
   *
   * @throws {QueueFullError} `ERR_QUEUE_FULL`
   */
  check(salt: string | undefined): void {
    const { waiting, running } = this.#options.scheduler;
    const { maxSeqs, quotas } = this.#options;
    if (waiting.length >= this.#maxQueue) {
      const ahead = { running, waiting: waiting.toArray(), maxSeqs };
      this.#refuse('maxQueue', this.#maxQueue, ahead);
    }
    if (this.#maxQueuePerSalt === this.#maxQueue) return;
    const isOfSalt = ({ request }: Sequence) => saltOf(request.options.extraKeys) === salt;
    const ofSalt = {
      running: running.filter(isOfSalt),
      waiting: waiting.toArray().filter(isOfSalt),
      maxSeqs: quotas.maxSeqsPerSalt,
    };
    if (ofSalt.waiting.length < this.#maxQueuePerSalt) return;
    this.#refuse('maxQueuePerSalt', this.#maxQueuePerSalt, ofSalt);
  }

  /** @param ahead the sequences that the limit is about */
  #refuse(limitedBy: QueueLimit, limit: number, ahead: Ahead): never {
    this.numRefused++;
    const { running, waiting, maxSeqs } = ahead;
    const ms = this.#options.backlog.estimateMs([...running, ...waiting], maxSeqs);
    const retryAfterMs = Math.min(Math.max(1, Math.ceil(ms)), maxRetryMs);
    throw new QueueFullError(waiting.length, limit, retryAfterMs, limitedBy);
  }
}
