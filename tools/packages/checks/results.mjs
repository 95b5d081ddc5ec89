// Counts what was checked; every line of the report is one sentence that is true when it passed.

/** What a command gave. @typedef {{ status: number | null, text: string }} Outcome */

export class Results {
  numPassed = 0;
  numFailed = 0;

  /**
   * Counts one check, and shows the output of one that failed.
   *
   * @param name what is true when it passes
   * @param outcome what a command gave
   * @param wanted pieces of the text, each a string or a pattern, of a command that ended with 0; or a function of
   * status and text
   */
  check(name, outcome, wanted = []) {
    const isRight = typeof wanted === 'function' ? wanted : succeedsWith(wanted);
    const passed = isRight(outcome.status, outcome.text);
    process.stdout.write(
      `${passed ? 'ok' : 'FAILED'}  ${name}\n${passed ? '' : `${outcome.text}\n`}`,
    );
    if (passed) this.numPassed++;
    else this.numFailed++;
    return passed;
  }

  /** Counts one check of a list of faults, each a sentence. */
  checkFaults(name, faults) {
    return this.check(name, { status: faults.length, text: faults.join('\n') });
  }
}

function succeedsWith(pieces) {
  return (status, text) => status === 0 && hasAll(text, pieces);
}

/** Whether all pieces, strings or patterns, are in a text. */
export function hasAll(text, pieces) {
  return pieces.every((piece) =>
    typeof piece === 'string' ? text.includes(piece) : piece.test(text),
  );
}
