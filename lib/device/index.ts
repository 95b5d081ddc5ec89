export { Activation, type ActivationRows } from './activation.js';
export type { DeviceCounters, LiveObjects } from './counters.js';
export { Device } from './device.js';
export type { DeviceInfo } from './device-context.js';
export { DeviceOps, type WithTensors } from './device-ops.js';
export {
  type DType,
  dtypeBytes,
  type FloatDType,
  type TypedArrayOf,
  type WeightDType,
} from './dtype.js';
export { triesOfGpu } from './gpu-tries.js';
export { KvCache, type KvCacheOptions, type KvLayout } from './kv-cache.js';
export type {
  PagedAttentionOperands,
  ReadKvOperands,
  RopeAndWriteKvOperands,
  WriteKvOperands,
} from './kv-op-records.js';
export { MappedFile } from './mapped-file.js';
export type {
  EmbedOperands,
  GatedMulOperands,
  GatherRowsOperands,
  MatmulOperands,
  RmsNormOperands,
} from './op-records.js';
export type { Operand, OpTensor, Rows, StepField } from './op-tensor.js';
export type { DeviceOptions, Isa } from './open-device.js';
export { Program } from './program.js';
export { Recorder } from './recorder.js';
export type { SampleOperands } from './sample-op.js';
export { greedySlot, maxTopLogprobs, type SamplingSlot } from './sampling-slot.js';
export { StepBuffer, type StepSequence } from './step-buffer.js';
export type { ProgramLimits, RecordLimits, StepLimits } from './step-limits.js';
export type { StepCounters, StepResult } from './step-result.js';
export type { StepTensors } from './step-tensors.js';
export { type DeviceSurvey, surveyDevices } from './survey.js';
export { Tensor, type TensorOptions } from './tensor.js';
export { HostBlocks, type Transfer, type TransferOptions } from './transfer.js';
export {
  type LoadTensorOptions,
  Weight,
  type WeightOptions,
  type WeightPart,
} from './weight.js';
