/** The grammar worker's own side: one `Matchers`, driven by messages from `grammar-worker.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { EngineError } from '../errors.js';
import { readTokenizerFiles } from '../text/index.js';
import { Matchers } from './matchers.js';
import type { GrammarWorkerData, MaskAnswer, MaskCall } from './protocol.js';
import { readVocabulary } from './vocabulary.js';

const port = parentPort!;
const { folder, vocabSize } = workerData as GrammarWorkerData;
let matchers: Matchers | undefined;
let turn: Promise<void> = Promise.resolve();

/** Left to the first call, so that its error reaches a caller. */
async function open(): Promise<Matchers> {
  const { tokenizerJson } = await readTokenizerFiles(folder);
  return new Matchers(readVocabulary(tokenizerJson, vocabSize));
}

async function run(call: MaskCall): Promise<MaskAnswer | undefined> {
  const { id } = call;
  try {
    matchers ??= await open();
    if (call.type === 'follow') return { id, mask: await matchers.follow(id, call.request) };
    if (call.type === 'accept') return { id, mask: await matchers.accept(id, call.token) };
    matchers.close(id);
    return undefined;
  } catch (error) {
    const code = error instanceof EngineError ? error.code : 'ERR_GRAMMAR_WORKER';
    return { id, error: { code, message: (error as Error)?.message ?? String(error) } };
  }
}

/** All masks of a step go back together, so that their sequences stay in one step. New grammars come after them. */
async function answer(calls: readonly MaskCall[]): Promise<void> {
  const [follows, others] = [[] as MaskCall[], [] as MaskCall[]];
  const opened = new Set<number>();
  for (const call of calls) {
    if (call.type === 'follow') opened.add(call.id);
    (opened.has(call.id) ? follows : others).push(call);
  }
  for (const group of [others, follows]) {
    const answers: MaskAnswer[] = [];
    for (const call of group) {
      const result = await run(call);
      if (result !== undefined) answers.push(result);
    }
    if (answers.length > 0) send(answers);
  }
}

function send(answers: MaskAnswer[]): void {
  const buffers = answers.flatMap((result) => ('mask' in result ? [result.mask.buffer] : []));
  port.postMessage(answers, [...new Set(buffers)] as ArrayBuffer[]);
}

port.on('message', (calls: MaskCall[]) => {
  turn = turn.then(() => answer(calls));
});
