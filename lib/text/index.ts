export type {
  ChatMessage,
  ChatRole,
  ChatTool,
  TextPart,
  ToolCall,
} from './chat-messages.js';
export type { Section } from './sections.js';
export { type DecodeBatch, StreamDecoder } from './stream-decoder.js';
export type { TemplateHazard } from './template-hazards.js';
export { type ChatRequest, TextCore, type TokenizedChat } from './text-core.js';
export { TextWorker, type TextWorkerOptions } from './text-worker.js';
export { type NamedTemplate, readTokenizerFiles, type TokenizerFiles } from './tokenizer-files.js';
