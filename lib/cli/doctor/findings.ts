/** How one thing stands. */
export interface Finding {
  /** Such as `addon`. */
  readonly name: string;
  /** `note`: something is missing that is not needed. */
  readonly status: 'ok' | 'note' | 'fail';
  /** What was found, on one line. */
  readonly text: string;
  /** What to do, on one line; present where the status is `fail`. */
  readonly cure?: string;
  /** The same as data. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** An error as a finding: its message, and its hint as the cure. */
export function failure(name: string, error: unknown, fallbackCure: string): Finding {
  const { message, hint } = error as Error & { hint?: string };
  const text = message.replaceAll(/(?<=:|tried)\s*\n\s*/g, ' ').replaceAll(/\s*\n\s*/g, '; ');
  return { name, status: 'fail', text, cure: hint ?? fallbackCure };
}
