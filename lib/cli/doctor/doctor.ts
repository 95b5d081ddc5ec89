import { say, type Terminal } from '../terminal.js';
import { deviceFindings } from './devices.js';
import type { Finding } from './findings.js';
import { cacheFinding, machineFindings } from './machine.js';

const marks = { ok: 'ok  ', note: 'note', fail: 'FAIL' } as const;

/** Thrown when something that is needed does not work; everything was printed already. */
export class DoctorFailure extends Error {}

/**
 * `paged-attention doctor`: what this machine has, what of it is used, and whether it works, as text to paste
 * or as JSON.
 *
 * @throws {DoctorFailure} after the report, when a finding is a failure
 */
export async function doctor(
  { json, version }: { readonly json?: boolean; readonly version: string },
  terminal: Terminal,
): Promise<void> {
  const findings = [...machineFindings(), await cacheFinding(), ...(await deviceFindings())];
  const failed = findings.filter(({ status }) => status === 'fail');
  if (json) {
    const report = { version, isHealthy: failed.length === 0, findings };
    terminal.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  } else {
    terminal.stdout.write(`paged-attention ${version}\n${findings.map(lineOf).join('')}`);
  }
  if (failed.length === 0) return;
  if (!json) say(terminal, `${failed.length} of ${findings.length} things do not work`);
  throw new DoctorFailure();
}

function lineOf({ name, status, text, cure }: Finding): string {
  const cureLine = cure === undefined ? '' : `${' '.repeat(19)}-> ${cure}\n`;
  return `${marks[status]}  ${name.padEnd(12)} ${text}\n${cureLine}`;
}
