// What every benchmark prints beside its figures.
import { cpus, totalmem } from 'node:os';

/** One line that names the machine, for `bench/log.md` and the README. */
export function machineLine() {
  const [{ model }] = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${model.trim()}, ${cpus().length} cores, ${gib} GiB, Node ${process.versions.node}, ${process.platform} ${process.arch}`;
}

/** The middle value; the mean of the two middle ones of an even number. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value that `fraction` of all values do not exceed; the nearest one that there is. */
export function percentile(values, fraction) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)];
}
