import { strict as assert } from 'node:assert';
import {
  type Executor,
  type ExecutorLimits,
  maxTopLogprobs,
  type SlotParams,
  type StepBatch,
  type StepOutcome,
} from '../../lib/engine/index.js';
import { EngineError } from '../../lib/errors.js';
import {
  attend,
  countTokens,
  digestOf,
  drawToken,
  firstLayer,
  secondLayer,
} from './arithmetic-model.js';

export interface ArithmeticExecutorOptions {
  numBlocks: number;
  blockSize: number;
  maxSeqs?: number;
  maxTokens?: number;
  maxBlocksPerSeq?: number;
  vocabSize?: number;
  /** Time that a step claims to have taken. */
  runMs?: (step: StepBatch) => number;
}

/** Poison: a slot that was never written since its block was. */
const unwritten = 0;

interface Slot {
  params: SlotParams;
  counted: number;
  mask?: Int32Array;
}

/**
 * A real executor of the arithmetic model. It holds a KV memory slot by slot, follows the block tables it
 * is sent, and does what a step says in the order of the step format: table changes, copies, then
 * layer by layer all writes before any read. Reading poison makes a row's logits non-finite.
 */
export class ArithmeticExecutor implements Executor {
  readonly limits: ExecutorLimits;
  readonly vocabSize: number;
  /** Set to make the next step fail with this error. */
  nextFailure: Error | undefined;
  /** Token whose rows give non-finite logits. */
  brokenToken = -1;
  isClosed = false;
  #numInFlight = 0;
  /** What the step before drew; undefined when it failed. */
  #previousSamples: Int32Array | undefined;
  readonly #layers: [Uint32Array, Uint32Array];
  readonly #tables: Int32Array;
  readonly #slots = new Map<number, Slot>();
  readonly #options: ArithmeticExecutorOptions;

  constructor(options: ArithmeticExecutorOptions) {
    const { numBlocks, blockSize, maxSeqs = 8, maxTokens = 512 } = options;
    const { maxBlocksPerSeq = numBlocks, vocabSize = 97 } = options;
    this.#options = options;
    this.vocabSize = vocabSize;
    this.limits = {
      maxTokens,
      maxSeqs,
      maxLogitRows: maxSeqs,
      maxCopies: maxSeqs,
      maxBlocksPerSeq,
    };
    const numSlots = numBlocks * blockSize;
    this.#layers = [new Uint32Array(numSlots), new Uint32Array(numSlots)];
    this.#tables = new Int32Array(maxSeqs * maxBlocksPerSeq);
  }

  createStep(): StepBatch {
    const { maxTokens, maxSeqs, maxLogitRows, maxCopies, maxBlocksPerSeq } = this.limits;
    return {
      numTokens: 0,
      numSeqs: 0,
      numLogitRows: 0,
      numCopies: 0,
      numTableChanges: 0,
      tokenIds: new Int32Array(maxTokens),
      tokenSources: new Int32Array(maxTokens),
      tableRows: new Int32Array(maxSeqs),
      queryStart: new Int32Array(maxSeqs + 1),
      contextLens: new Int32Array(maxSeqs),
      writeStarts: new Int32Array(maxSeqs),
      adapterIds: new Int32Array(maxSeqs),
      logitRows: new Int32Array(maxLogitRows),
      logitSlots: new Int32Array(maxLogitRows),
      copies: new Int32Array(maxCopies * 2),
      tableChanges: new Int32Array(maxSeqs * maxBlocksPerSeq * 3),
      wantDigests: false,
      wantLogits: false,
    };
  }

  setSlotMask(slot: number, mask: Int32Array): void {
    const { params, counted } = this.#slots.get(slot) as Slot;
    this.#slots.set(slot, { params, counted, mask: mask.slice() });
  }

  setSamplingSlot(slot: number, params: SlotParams): void {
    assert(slot >= 0 && slot < this.limits.maxSeqs, `sampling slot ${slot}`);
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = params;
    const hasPenalty = repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
    const counted = [...(params.promptTokens ?? []), ...(params.outputTokens ?? [])];
    this.#slots.set(slot, { params, counted: hasPenalty ? counted.reduce(countTokens, 1) : 0 });
  }

  /** Everything is read out of `step` at once; the outcome comes in a later task, as a device's does. */
  async submit(step: StepBatch): Promise<StepOutcome> {
    assert(this.#numInFlight < 2, 'a third step was submitted while two were in flight');
    const outcome = this.#run(step);
    this.#previousSamples = outcome instanceof Error ? undefined : outcome.samples;
    this.#numInFlight++;
    await new Promise(setImmediate);
    this.#numInFlight--;
    if (outcome instanceof Error) throw outcome;
    return outcome;
  }

  #run(step: StepBatch): StepOutcome | Error {
    assert(!this.isClosed, 'a step was submitted after close');
    const failure = this.nextFailure;
    this.nextFailure = undefined;
    this.#applyTableChanges(step);
    if (failure !== undefined) return failure;
    if (this.#previousSamples === undefined && namesSamples(step)) {
      return new EngineError('ERR_PREVIOUS_STEP_FAILED', 'the samples of a step that failed');
    }
    this.#copyBlocks(step);
    const rows = this.#rowsOf(step);
    const numWritten = this.#runLayers(rows);
    const counters = {
      tokensComputed: step.numTokens,
      kvSlotsWritten: numWritten,
      blocksCopied: step.numCopies,
      runMs: this.#options.runMs?.(step) ?? 1,
    };
    return { ...this.#draw(step, rows), counters };
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  #applyTableChanges(step: StepBatch): void {
    for (let i = 0; i < step.numTableChanges; i++) {
      const [row, column, block] = step.tableChanges.subarray(3 * i, 3 * i + 3);
      this.#checkBlock(block);
      assert(column < this.limits.maxBlocksPerSeq, `block-table column ${column}`);
      this.#tables[row * this.limits.maxBlocksPerSeq + column] = block;
    }
  }

  #copyBlocks(step: StepBatch): void {
    const pairs = step.copies.subarray(0, 2 * step.numCopies);
    const sources = new Set(pairs.filter((_, i) => i % 2 === 0));
    const destinations = pairs.filter((_, i) => i % 2 === 1);
    assert.equal(new Set(destinations).size, destinations.length, 'a block is copied to twice');
    const { blockSize } = this.#options;
    for (let i = 0; i < step.numCopies; i++) {
      const [source, destination] = pairs.subarray(2 * i, 2 * i + 2);
      this.#checkBlock(source);
      this.#checkBlock(destination);
      assert(!sources.has(destination), `block ${destination} is source and destination`);
      for (const layer of this.#layers) {
        const start = source * blockSize;
        layer.copyWithin(destination * blockSize, start, start + blockSize);
      }
    }
  }

  #checkBlock(block: number): void {
    const { numBlocks } = this.#options;
    assert(block > 0 && block < numBlocks, `block ${block} of ${numBlocks}`);
  }

  #rowsOf(step: StepBatch): Row[] {
    const rows: Row[] = [];
    for (let s = 0; s < step.numSeqs; s++) {
      const [begin, end] = step.queryStart.subarray(s, s + 2);
      for (let i = begin; i < end; i++) {
        const position = step.contextLens[s] - (end - i);
        const tableStart = step.tableRows[s] * this.limits.maxBlocksPerSeq;
        const isWritten = position >= step.writeStarts[s];
        rows.push({ token: this.#tokenOf(step, i), position, tableStart, isWritten, attended: 0 });
      }
    }
    assert.equal(rows.length, step.numTokens, 'rows of the step');
    return rows;
  }

  #tokenOf({ tokenIds, tokenSources }: StepBatch, row: number): number {
    if (tokenSources[row] < 0) return tokenIds[row];
    const token = this.#previousSamples?.[tokenSources[row]];
    assert(token !== undefined, `the step before has no sample ${tokenSources[row]}`);
    return token;
  }

  /** In each layer, all rows write before any row attends. Gives the number of slots written. */
  #runLayers(rows: Row[]): number {
    const [first, second] = this.#layers;
    const written = new Set<number>();
    for (const { token, position, tableStart, isWritten } of rows) {
      if (!isWritten) continue;
      const slot = this.#slotOf(tableStart, position);
      assert(!written.has(slot), `slot ${slot} is written twice in one step`);
      written.add(slot);
      first[slot] = firstLayer(token, position);
    }
    for (const row of rows) {
      row.attended = secondLayer(this.#attend(first, row), row.token);
    }
    for (const { position, tableStart, isWritten, attended } of rows) {
      if (isWritten) second[this.#slotOf(tableStart, position)] = attended;
    }
    for (const row of rows) row.attended = this.#attend(second, row);
    return written.size;
  }

  #slotOf(tableStart: number, position: number): number {
    const { blockSize } = this.#options;
    const block = this.#tables[tableStart + Math.floor(position / blockSize)];
    this.#checkBlock(block);
    return block * blockSize + (position % blockSize);
  }

  /** Everything up to a row's own position; NaN as soon as poison is read. */
  #attend(layer: Uint32Array, { tableStart, position, token }: Row): number {
    let attended = token === this.brokenToken ? Number.NaN : 0;
    for (let p = 0; p <= position; p++) {
      const content = layer[this.#slotOf(tableStart, p)];
      attended =
        content === unwritten || Number.isNaN(attended) ? Number.NaN : attend(attended, content);
    }
    return attended;
  }

  #draw(step: StepBatch, rows: Row[]): Omit<StepOutcome, 'counters'> {
    const numRows = step.numLogitRows;
    const outcome = {
      samples: new Int32Array(numRows),
      logprobs: new Float32Array(numRows).fill(-0.5),
      topIds: new Int32Array(numRows * maxTopLogprobs).fill(-1),
      topLogprobs: new Float32Array(numRows * maxTopLogprobs),
      nonFinite: new Uint8Array(numRows),
      ...(step.wantDigests ? { digests: new BigUint64Array(numRows) } : {}),
    };
    for (let i = 0; i < numRows; i++) {
      const { attended, position } = rows[step.logitRows[i]];
      outcome.nonFinite[i] = Number.isNaN(attended) ? 1 : 0;
      if (outcome.digests !== undefined) outcome.digests[i] = digestOf(attended);
      const slot = this.#slots.get(step.logitSlots[i]);
      assert(slot !== undefined, `sampling slot ${step.logitSlots[i]} was never set`);
      let token = drawToken(attended, this.vocabSize, drawOf(slot, position + 1));
      while (!allows(slot, token)) token = (token + 1) % this.vocabSize;
      outcome.samples[i] = token;
      for (let k = 0; k < (slot.params.logprobs ?? 0); k++) {
        outcome.topIds[i * maxTopLogprobs + k] = (token + k) % this.vocabSize;
      }
      if (slot.counted !== 0) slot.counted = countTokens(slot.counted, token);
    }
    return outcome;
  }
}

/** Whether a row stands for a token that the step before draws. */
function namesSamples({ tokenSources, numTokens }: StepBatch): boolean {
  return tokenSources.subarray(0, numTokens).some((source) => source >= 0);
}

interface Row {
  readonly token: number;
  readonly position: number;
  /** First entry of its block table. */
  readonly tableStart: number;
  /** Whether its K/V goes into its slot. */
  readonly isWritten: boolean;
  /** Hash of what it attended to; NaN after poison. */
  attended: number;
}

function drawOf({ params, counted }: Slot, position: number) {
  const { ids = new Int32Array(0), values } = params.logitBias ?? {};
  const banned = new Set(ids.filter((_, i) => (values?.[i] ?? 0) < -1e20));
  return { temperature: params.temperature, seed: params.seed, position, counted, banned };
}

/** A mask that allows nothing would be an endless search: the engine never sends one. */
function allows({ mask }: Slot, token: number): boolean {
  return mask === undefined || ((mask[token >> 5] >>> (token & 31)) & 1) === 1;
}
