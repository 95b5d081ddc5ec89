export {
  type ArchitectureDescription,
  type ArchitectureName,
  architectures,
  type BiasRule,
  type WindowRule,
} from './architectures.js';
export {
  Checkpoint,
  type CheckpointTensor,
  type FileMapper,
  openCheckpoint,
} from './checkpoint.js';
export {
  type LayerConfig,
  type ModelConfig,
  parseConfig,
  readConfig,
} from './config.js';
export { type ForwardModel, recordForward } from './forward.js';
export { inspectModel, type ModelInspection } from './inspect-model.js';
export { loadModel, Model, type ModelKvLayout, type ModelLimits } from './model.js';
export type { LoadModelOptions, OpenModelOptions } from './open-model.js';
export { chooseRotation, type Rotation, ropeTable } from './rope.js';
export type { RopeConfig, RopeScaling } from './rope-config.js';
export {
  type ReadableFile,
  readSafetensorsHeader,
  type SafetensorsDType,
  type TensorRange,
} from './safetensors.js';
export type { LayerPlan, MatrixPlan, PlannedPart, VectorPlan } from './weight-plan.js';
export type { LayerWeights, LoadProgress, ModelWeights } from './weights.js';
