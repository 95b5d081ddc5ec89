// Runs one stage in a process of its own, so that a lost device, a crash or a hang ends that stage only.

import { spawn } from 'node:child_process';

/** What the output of a stage says of it: `{ passed, failed }`, or `{ skipped }` with the reason. */
function readOutcome(output) {
  const skipped = /^skipped: (.*)$/m.exec(output)?.[1];
  if (skipped !== undefined) return { passed: 0, failed: 0, skipped };
  const counts = [...output.matchAll(/^(\d+) passed, (\d+) failed$/gm)].at(-1);
  if (counts === undefined) return undefined;
  return { passed: Number(counts[1]), failed: Number(counts[2]) };
}

/** Ends a process and all that it started. */
function endGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/**
 * Runs Node with the stage's arguments.
 *
 * @param options.limitSeconds after which it is killed, with all that it started
 * @param options.write called with each piece of its output, both streams, as it comes
 * @returns `{ status, passed, failed, seconds, why }`; `status` is `passed`, `failed`, `skipped` or
 *   `late`; one that ends without a count, or late, is one failure more
 */
export function runStage({ args, env }, { limitSeconds, write }) {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env,
      detached: true, // a process group of its own
    });
    let output = '';
    let isLate = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        write(text);
        if (stream === child.stdout) output += text;
      });
    }
    const timer = setTimeout(() => {
      isLate = true;
      endGroup(child);
    }, limitSeconds * 1000);
    child.on('close', (exitStatus, signal) => {
      clearTimeout(timer);
      const seconds = Math.round((performance.now() - started) / 100) / 10;
      const outcome = readOutcome(output);
      const { passed, failed, skipped } = outcome ?? { passed: 0, failed: 0 };
      const hasDied = isLate || (exitStatus !== 0 && failed === 0) || outcome === undefined;
      const counts = { passed, failed: failed + (hasDied ? 1 : 0), seconds };
      if (isLate) resolve({ status: 'late', ...counts, why: `not done after ${limitSeconds} s` });
      else if (skipped !== undefined) resolve({ status: 'skipped', ...counts, why: skipped });
      else if (hasDied)
        resolve({ status: 'failed', ...counts, why: `ended with ${signal ?? exitStatus}` });
      else resolve({ status: failed === 0 ? 'passed' : 'failed', ...counts });
    });
  });
}
