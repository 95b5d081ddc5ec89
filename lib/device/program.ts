import type { DeviceContext } from './device-context.js';
import { dtypeCodes } from './dtype.js';
import type { KvCache } from './kv-cache.js';
import type { NativeProgram } from './native.js';
import { Recorder, type Recording } from './recorder.js';
import { DeviceResource } from './resource.js';
import { layoutStep, StepBuffer, type StepSections } from './step-buffer.js';
import {
  checkLimits,
  fillLimits,
  type ProgramLimits,
  type RecordLimits,
  tableEntries,
} from './step-limits.js';
import type { ResultShape } from './step-result.js';

/**
 * A recorded forward pass, with its activations, block tables and sampling slots on the device.
 * Weights and tensors that it reads stay alive until it is freed.
 */
export class Program extends DeviceResource<NativeProgram> {
  /** @internal */
  readonly sections: StepSections;
  readonly #result: Recording['result'];
  readonly numOps: number;
  /** Bytes of all activations. */
  readonly arenaBytes: number;

  /** @internal */
  constructor(
    context: DeviceContext,
    handle: NativeProgram,
    readonly limits: ProgramLimits,
    sections: StepSections,
    recording: Recording,
  ) {
    super(context, handle, 'program');
    this.sections = sections;
    this.#result = recording.result;
    this.numOps = recording.ops.length;
    this.arenaBytes = recording.arena.byteLength;
  }

  /** Arrays for one step of this program; make one or two and refill them. */
  createStepBuffer(): StepBuffer {
    return new StepBuffer(this.sections, this.limits);
  }

  /** @internal What the result of `step` will hold. */
  resultShape(step: StepBuffer): ResultShape {
    const { kind, activation } = this.#result;
    const { numLogitRows } = step;
    const isLogits = kind === 'logits';
    const numRows = activation.rows === 'tokens' ? step.numTokens : numLogitRows;
    const hasValues = !isLogits || step.wantLogits;
    return {
      numLogitRows,
      hasDigests: isLogits && step.wantDigests,
      numValues: hasValues ? numRows * activation.rowSize : 0,
      valuesAre: hasValues ? kind : 'nothing',
    };
  }

  protected override release(handle: NativeProgram): void {
    this.context.native.freeProgram(this.context.handle, handle);
  }
}

/**
 * Runs `define` once and makes a program of what it records.
 *
 * Waits for the operation that runs just now (memory is allocated on the engine thread), so record at
 * load.
 *
 * @throws {EngineError} `ERR_OUT_OF_MEMORY` when activations or tables do not fit
 */
export function recordProgram(
  context: DeviceContext,
  recordLimits: RecordLimits,
  kvCache: KvCache | undefined,
  define: (recorder: Recorder) => void,
): Program {
  context.assertOpen();
  const limits = fillLimits(recordLimits);
  checkLimits(limits);
  if (kvCache !== undefined) context.assertOwns('kvCache', kvCache.context);
  const recorder = new Recorder(context, limits, kvCache);
  define(recorder);
  const recording = recorder.finish();

  const { kind, activation } = recording.result;
  const filled: ProgramLimits = {
    ...limits,
    vocabSize: kind === 'logits' ? activation.rowSize : 0,
    maxTableChanges: tableEntries(limits),
  };
  const sections = layoutStep(filled);
  const handle = context.native.createProgram(context.handle, {
    limits: filled,
    sections,
    ops: recording.ops,
    arenaBytes: recording.arena.byteLength,
    kvCache: kvCache?.handle,
    result: {
      kind,
      rows: activation.rows,
      rowSize: activation.rowSize,
      dtype: dtypeCodes[activation.dtype],
      operand: activation.operand,
    },
  });
  return new Program(context, handle, filled, sections, recording);
}
