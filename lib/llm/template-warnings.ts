import type { TextWorker } from '../text/index.js';

const warningCode = 'PAGED_ATTENTION_TEMPLATE';

/** What this process was warned of, so that a model that is loaded again says nothing again. */
const warned = new Set<string>();

/**
 * Reports what in a chat template destroys prefix reuse: as process warnings with the code
 * `PAGED_ATTENTION_TEMPLATE`, each once per folder and process.
 *
 * @returns one sentence per habit, whether or not it was reported before
 */
export function warnOfTemplate(folder: string, text: TextWorker): string[] {
  const messages = text.findHazards().map((hazard) => hazard.message);
  for (const message of messages) {
    const sentence = `${folder}: ${message}`;
    if (warned.has(sentence)) continue;
    warned.add(sentence);
    process.emitWarning(sentence, { code: warningCode });
  }
  return messages;
}
