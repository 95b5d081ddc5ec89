// Which rows a run measures in which setting.
//
// Everything in every setting takes hours, nearly all of them the peer's. So the larger model runs the
// rows that are judged on it, and one thread and AVX2 the short ones of what two threads run in full;
// `--all` runs everything.

import { engineRows } from './rows.mjs';

const isShort = ({ args }) => args.promptLen <= 512;
const isPrefillOrDecode = ({ group }) => ['prefill', 'decode'].includes(group);

/** Whether a row runs in a setting without `--all`. */
function isJudged(row, { model, threads, isa }) {
  const isAlone = threads === 1;
  if (model === 'l1b') {
    return isa !== 'avx2' && isPrefillOrDecode(row) && (!isAlone || isShort(row));
  }
  if (isa === 'avx2') return isShort(row) && !isAlone;
  return !isAlone || (row.weights === 'bf16' && row.group !== 'ttft') || isShort(row);
}

/**
 * The rows that both engines run in a setting.
 *
 * @param setting `{ model, threads, isa }`
 * @param options of {@link readOptions}
 */
export function plannedRows(setting, { only, isQuick, isWhole }) {
  const asked = engineRows(isQuick).filter((row) => only.includes(row.group));
  return isWhole || isQuick ? asked : asked.filter((row) => isJudged(row, setting));
}

/** Rows about a process as a whole, of bf16 weights. */
export function plannedProcessRows({ model, threads, isa }, { only, isWhole, isQuick }) {
  const kinds = ['memory', 'load'].filter((kind) => only.includes(kind));
  if (isWhole || isQuick) return kinds;
  return isa === 'avx2' || (model === 'l1b' && threads === 1) ? [] : kinds;
}

/** Kinds of weights among rows, in the order in which they run; each has its own pair of processes. */
export const weightsOf = (rows) => [...new Set(rows.map(({ weights }) => weights))];
