// Loads the recall model and keeps it busy with streams; as a Worker, until it is terminated. What it is doing when that
// happens is the parent's choice: loading, computing prompts, compiling a grammar, drawing tokens, being aborted.

import { parentPort, workerData } from 'node:worker_threads';
import { load } from '../../../dist/index.js';

/** Loads and starts streams without end; resolves when the first token came. */
export async function openBusyLlm(options) {
  const llm = await load('recall', { maxTokensPerStep: 64, ...options });
  const facts = 'The vault code of Amber is 4217. Omar lives in Lisbon. '.repeat(8);
  const start = async (i) => {
    for (let round = 0; ; round++) {
      const prompt = `${i} ${round % 3} ${facts}`;
      const generation = llm.generate(prompt, {
        maxTokens: 200,
        ignoreEos: true,
        keepPrefix: i === 0,
        // Another one each round: a Worker of its own compiles its grammar.
        ...(i === 3 && {
          ignoreEos: false,
          responseFormat: { type: 'regex', pattern: `[a-z]{${round + 1},40}` },
        }),
      });
      for await (const _ of generation) if (i === 1 && generation.text.length > 40) break;
      const reply = await generation.catch(() => {});
      reply?.prefix.dispose();
      if (i === 2) await llm.invalidate({ all: true });
    }
  };
  for (let i = 0; i < 4; i++) start(i).catch(() => {});
  const first = llm.generate('x', { maxTokens: 2, ignoreEos: true });
  await first;
  return llm;
}

if (parentPort) {
  parentPort.postMessage('started');
  await openBusyLlm({ worker: workerData.worker });
  parentPort.postMessage('busy');
}
