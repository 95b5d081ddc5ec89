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
export { inverseFrequencies, type RopeConfig, type RopeScaling, ropeTable } from './rope.js';
export {
  readSafetensorsHeader,
  type SafetensorsDType,
  type TensorRange,
} from './safetensors.js';
export type { LayerWeights, LoadProgress, ModelWeights } from './weights.js';
