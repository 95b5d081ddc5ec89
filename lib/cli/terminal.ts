import type { Readable, Writable } from 'node:stream';

/** Where a command reads and writes; `process` has all three. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  /** What was asked for, and nothing else: replies, reports. */
  readonly stdout: Writable & { readonly isTTY?: boolean };
  /** What is said about it. */
  readonly stderr: Writable & { readonly isTTY?: boolean };
}

/** Writes a line for the person at the terminal. */
export function say({ stderr }: Terminal, line: string): void {
  stderr.write(`${line}\n`);
}

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes in the largest unit that leaves at least 1, such as `1.2 GiB`. */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let size = bytes;
  for (; size >= 1024 && unit < units.length - 1; unit++) size /= 1024;
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}

/** A count with thousands apart. */
export const formatCount = (count: number): string => count.toLocaleString('en-US');
