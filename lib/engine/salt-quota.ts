import { strict as assert } from 'node:assert';
import type { RequestOptions, Sequence } from './sequence.js';
import { checkInteger, saltOf } from './validation.js';

/** Holds each salt to its part of the rows: sequences of one salt that run at once. */
export class SaltQuotas {
  readonly maxSeqsPerSalt: number;
  readonly #isOn: boolean;
  /** Sequences that waited because their salt had its part already. */
  numHeldBack = 0;

  /**
   * @param maxSeqsPerSalt undefined: no limit but that of all
   * @param maxSeqs sequences that run at once, of all salts
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT`
   */
  constructor(maxSeqsPerSalt: number | undefined, maxSeqs: number) {
    if (maxSeqsPerSalt !== undefined) checkInteger('maxSeqsPerSalt', maxSeqsPerSalt, 1, maxSeqs);
    this.maxSeqsPerSalt = maxSeqsPerSalt ?? maxSeqs;
    this.#isOn = this.maxSeqsPerSalt < maxSeqs;
  }

  /** Counts the rows that each salt holds now; undefined without a limit. */
  count(running: readonly Sequence[]): SaltRows | undefined {
    return this.#isOn ? new SaltRows(this, running) : undefined;
  }

  /** Asserts that no salt has more rows than its part. */
  checkInvariants(running: readonly Sequence[]): void {
    const rows = this.count(running);
    for (const { request } of running) {
      assert(rows?.isFull(request.options, 0) !== true, 'a salt has more rows than its part');
    }
  }
}

/** Rows held per salt while one step is planned. */
export class SaltRows {
  readonly #quotas: SaltQuotas;
  readonly #numRows = new Map<string | undefined, number>();

  constructor(quotas: SaltQuotas, running: readonly Sequence[]) {
    this.#quotas = quotas;
    for (const sequence of running) this.add(sequence);
  }

  /** Counts the rows of a sequence that runs. */
  add(sequence: Sequence): void {
    const salt = saltOf(sequence.request.options.extraKeys);
    this.#numRows.set(salt, this.#rowsOf(salt) + sequence.rows.length);
  }

  /** Whether `numRows` more of a request's salt would be too many. */
  isFull({ extraKeys }: RequestOptions, numRows: number): boolean {
    return this.#rowsOf(saltOf(extraKeys)) + numRows > this.#quotas.maxSeqsPerSalt;
  }

  /** Whether a waiting sequence has to wait for others of its salt; notes it. */
  holdsBack(sequence: Sequence): boolean {
    const isHeldBack = this.isFull(sequence.request.options, sequence.numRowsNeeded);
    if (isHeldBack && !sequence.isHeldBack) this.#quotas.numHeldBack++;
    sequence.isHeldBack = isHeldBack;
    return isHeldBack;
  }

  #rowsOf(salt: string | undefined): number {
    return this.#numRows.get(salt) ?? 0;
  }
}
