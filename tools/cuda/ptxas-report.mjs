// Reads what ptxas says about each kernel with -v, from nvcc's and NVRTC's output alike.

const patterns = {
  stackBytes: /(\d+) bytes stack frame/,
  spillStoreBytes: /(\d+) bytes spill stores/,
  spillLoadBytes: /(\d+) bytes spill loads/,
  registers: /Used (\d+) registers/,
  barriers: /used (\d+) barriers/,
  sharedBytes: /(\d+) bytes smem/,
};

/**
 * Gives one record per kernel, sorted by name.
 *
 * @param output what the compiler printed
 * @returns `{ name, registers, spillStoreBytes, spillLoadBytes, stackBytes, sharedBytes, barriers }`
 *   per kernel; `sharedBytes` is static shared memory only
 */
export function readPtxasReport(output) {
  const kernels = [];
  for (const line of output.split('\n')) {
    const entry = /Compiling entry function '([^']+)'/.exec(line);
    if (entry) {
      const zeros = Object.fromEntries(Object.keys(patterns).map((field) => [field, 0]));
      kernels.push({ name: entry[1], ...zeros });
    }
    const kernel = kernels.at(-1);
    if (!kernel || /Function properties for/.test(line)) continue;
    for (const [field, pattern] of Object.entries(patterns)) {
      const match = pattern.exec(line);
      if (match) kernel[field] = Number(match[1]);
    }
  }
  return kernels.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
