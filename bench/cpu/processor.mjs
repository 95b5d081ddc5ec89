import { readFileSync } from 'node:fs';

const fields = ['model name', 'cpu family', 'model', 'stepping', 'microcode'];

/**
 * The processor as the kernel names it, `undefined` where it does not.
 *
 * Model names of virtual machines say too little: two generations are both called AMD EPYC.
 */
export function processorLine() {
  try {
    const [first] = readFileSync('/proc/cpuinfo', 'utf8').split('\n\n');
    const entries = new Map(first.split('\n').map((line) => line.split(/\s*:\s*/)));
    return fields.map((field) => `${field} ${entries.get(field)}`).join(', ');
  } catch {
    return undefined;
  }
}
