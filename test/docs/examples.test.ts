import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const examples = readdirSync('examples').filter((name) => name.endsWith('.mjs'));

/** Lines that an example must print: what it is there to show. */
const shown: Readonly<Record<string, readonly RegExp[]>> = {
  'agent.mjs': [/^lookup of Omar: Lisbon$/m, /^turn 2: (?:[4-9]\d) of \d+ tokens cached$/m],
  'fork.mjs': [/^8 answers to (\d+) tokens, computed once: \1$/m, /different: [23]$/m],
  'own-engine.mjs': [
    /^table 1 2 3\ntable 1 2 4\ntable 5 6 7$/m,
    /sharedBlocks: 2,.* hitTokens: 40,\s+copiedTokens: 8,/s,
    /^the same logits as without sharing: true$/m,
  ],
  'rag.mjs': [/4217 \(50 of 61 cached\)/, /9035 \(0 of 61 cached\)/],
  // Together, less than half a block of 16 may be computed twice by each of the others.
  'shared-system-prompt.mjs': [/^computed 62\d of 2416 prompt.*\ntogether: computed 6[23]\d of/m],
};

describe('examples', () => {
  test.each(examples)('%s runs, in at most 60 lines', (name) => {
    const path = `examples/${name}`;
    expect(readFileSync(path, 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(60);
    const { status, stdout, stderr } = spawnSync(process.execPath, [path], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).not.toBe('');
    for (const pattern of shown[name] ?? []) expect(stdout).toMatch(pattern);
  });
});
