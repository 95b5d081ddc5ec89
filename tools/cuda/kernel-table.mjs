// The rows of `npm run kernels`, and their layout as text.

/** `sm_80 sm_90a (CUDA 13, 12)`: the architectures of the newest version, and all versions. */
function describeArchs(byMajor) {
  const majors = Object.keys(byMajor).toSorted((a, b) => b - a);
  if (majors.length === 0) return 'none';
  const archs = Object.keys(byMajor[majors[0]]).map((arch) => arch.replace('sm_', ''));
  return `${archs.toSorted().join(' ')} (CUDA ${majors.join(', ')})`;
}

/** One value, or `least-most` over all architectures. */
function spread(values) {
  if (values.length === 0) return '-';
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return least === most ? String(most) : `${least}-${most}`;
}

/** The worst error and its tolerance; `exact` where results were compared bit by bit. */
function describeError({ cases, worst, absolute, relative } = { cases: 0 }) {
  if (cases === 0) return '-';
  if (absolute === 0 && relative === 0) return 'exact';
  return `${worst.toPrecision(2)} of ${absolute} + ${relative} |x|`;
}

/**
 * Gives one row per kernel.
 *
 * @param kernels from `listKernels()`
 * @param record from `gatherRecord()`
 * @param emulated what the kernel tests said, by name; or undefined when they did not run
 */
export function kernelRows(kernels, record, emulated = {}) {
  return kernels.map(({ name }) => {
    const byMajor = record.kernels[name] ?? {};
    const resources = Object.values(byMajor).flatMap((byArch) => Object.values(byArch));
    const tested = emulated[name];
    const staticBytes = resources.map(({ sharedBytes }) => sharedBytes);
    const dynamic = tested?.dynamicSharedBytes ? ` + ${tested.dynamicSharedBytes}` : '';
    return {
      kernel: name,
      architectures: describeArchs(byMajor),
      registers: spread(resources.map(({ registers }) => registers)),
      spilled: spread(resources.map((r) => r.spillStoreBytes + r.spillLoadBytes)),
      'shared bytes': `${spread(staticBytes)}${dynamic}`,
      launches: String(tested?.launches ?? 0),
      cases: String(tested?.cases ?? 0),
      'worst error': describeError(tested),
    };
  });
}

/** Lays rows out in columns under their names; text to the left, figures to the right. */
export function formatTable(rows) {
  const names = Object.keys(rows[0] ?? {});
  const lines = [names, ...rows.map((row) => names.map((name) => row[name]))];
  const widths = names.map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  const isText = (i) => ['kernel', 'architectures', 'worst error'].includes(names[i]);
  const pad = (cell, i) => (isText(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i]));
  return lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n');
}
