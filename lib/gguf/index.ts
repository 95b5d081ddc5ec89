export { GgufFields } from './gguf-fields.js';
export {
  type GgufHeader,
  type GgufTensor,
  type GgufTensorType,
  openGgufHeader,
  readGgufHeader,
} from './gguf-header.js';
