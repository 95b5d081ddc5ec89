import type { DeviceContext } from './device-context.js';
import type { NativeAddon } from './native.js';

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

/**
 * Native objects that live in this process, in its Workers too. When every device was closed or is gone, all are 0 but
 * for buffers whose handles JavaScript has not collected; those hold no memory.
 */
export interface LiveObjects {
  /** Devices whose threads run. */
  readonly devices: number;
  /** Pieces of memory that something refers to; those of closed devices hold no bytes. */
  readonly buffers: number;
  readonly programs: number;
  /** Steps, loads and transfers that have not ended, and those that are kept to be used again. */
  readonly jobs: number;
  readonly mappedFiles: number;
  /** Device memory that is held. */
  readonly bytes: number;
}

/** Counts what lives now; a device that is being closed counts until its threads have ended. */
export function countLiveObjects(native: NativeAddon): LiveObjects {
  // Mirrors the order of LiveObjects in addon/bind_device.cpp.
  const values = new Float64Array(6);
  native.liveObjects(values);
  const [devices, buffers, programs, jobs, mappedFiles, bytes] = values;
  return { devices, buffers, programs, jobs, mappedFiles, bytes };
}

/** Reads the totals; does not wait for queued work. */
export function readDeviceCounters(context: DeviceContext): DeviceCounters {
  // Mirrors the order of DeviceCounters in addon/counters.h.
  const values = new Float64Array(8);
  context.native.deviceCounters(context.handle, values);
  const [stepsRun, tokensComputed, kvSlotsWritten, blocksCopied, ...rest] = values;
  const [logitRows, tokensSampled, bytesAllocated, buffersCollected] = rest;
  const work = { stepsRun, tokensComputed, kvSlotsWritten, blocksCopied, logitRows, tokensSampled };
  return { ...work, bytesAllocated, buffersCollected };
}
