import type { DeviceContext } from './device-context.js';

/** Totals since the device was opened, counted natively while work ran. */
export interface DeviceCounters {
  /** Steps that ran to their end. */
  readonly stepsRun: number;
  /** Rows of sequences that ran through a program. */
  readonly tokensComputed: number;
  /** Token places written per layer; direct writes count once each. */
  readonly kvSlotsWritten: number;
  readonly blocksCopied: number;
  readonly logitRows: number;
  readonly tokensSampled: number;
  /** Device memory that is held just now. */
  readonly bytesAllocated: number;
  /** Buffers that were garbage-collected without `free()`. */
  readonly buffersCollected: number;
}

/** Order of the numbers that deviceCounters fills in. Mirrors DeviceCounters in addon/counters.h. */
const names = [
  'stepsRun',
  'tokensComputed',
  'kvSlotsWritten',
  'blocksCopied',
  'logitRows',
  'tokensSampled',
  'bytesAllocated',
  'buffersCollected',
] as const satisfies readonly (keyof DeviceCounters)[];

/** Reads the totals; does not wait for queued work. */
export function readDeviceCounters(context: DeviceContext): DeviceCounters {
  const values = new Float64Array(names.length);
  context.native.deviceCounters(context.handle, values);
  return Object.fromEntries(names.map((name, i) => [name, values[i]])) as unknown as DeviceCounters;
}
