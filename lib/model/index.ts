export { type ArchitectureName, architectures } from './architectures.js';
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
  readSafetensorsHeader,
  type SafetensorsDType,
  type TensorRange,
} from './safetensors.js';
export type { LayerWeights, LoadProgress, ModelWeights } from './weights.js';
