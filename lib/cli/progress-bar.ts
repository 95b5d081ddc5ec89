import type { LoadOptions } from '../llm/index.js';
import { formatBytes, type Terminal } from './terminal.js';

type Report = NonNullable<LoadOptions['onProgress']>;

const barWidth = 24;
/** Redrawn when this much more is done. */
const stepFraction = 0.01;

/**
 * Draws one line of download and loading on a terminal, over itself; nothing where there is none.
 *
 * @returns what `onProgress` takes; the line is wiped when a stage is done
 */
export function progressBar({ stderr }: Terminal): Report | undefined {
  if (!stderr.isTTY) return undefined;
  let drawn = -1;
  return (progress) => {
    const { stage, loadedBytes, totalBytes } = progress;
    const fraction = totalBytes > 0 ? loadedBytes / totalBytes : 1;
    if (fraction === 1) stderr.write('\r\u001b[K');
    else if (Math.abs(fraction - drawn) >= stepFraction) {
      const filled = Math.round(fraction * barWidth);
      const bar = '#'.repeat(filled).padEnd(barWidth, '.');
      const what = stage === 'download' ? progress.file : stage;
      const bytes = `${formatBytes(loadedBytes)} of ${formatBytes(totalBytes)}`;
      stderr.write(`\r\u001b[K[${bar}] ${what} ${bytes}`);
    }
    drawn = fraction === 1 ? -1 : stepFraction * Math.floor(fraction / stepFraction);
  };
}
