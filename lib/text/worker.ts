/** The text worker's own side: one `TextCore`, driven by messages from `text-worker.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { type TextCall, type TextRequest, type TextResponse, toPlainError } from './protocol.js';
import { TextCore, type TokenizedChat } from './text-core.js';
import type { TokenizerFiles } from './tokenizer-files.js';

const port = parentPort!;
let core: TextCore | undefined;

/** Loading is left to the first call, so that its error reaches a caller. */
async function run(call: TextCall): Promise<TokenizedChat> {
  core ??= new TextCore(workerData as TokenizerFiles);
  if (call.method === 'chat') return core.tokenizeChat(call.request);
  return { tokens: await core.encode(call.text, call.addSpecialTokens), sections: [] };
}

async function answer({ id, call }: TextRequest): Promise<void> {
  try {
    const result = await run(call);
    send({ id, result }, [result.tokens.buffer as ArrayBuffer]);
  } catch (error) {
    send({ id, error: toPlainError(error) });
  }
}

function send(response: TextResponse, transfer: ArrayBuffer[] = []): void {
  port.postMessage(response, transfer);
}

port.on('message', (request: TextRequest) => void answer(request));
