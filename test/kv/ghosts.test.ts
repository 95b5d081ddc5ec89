import { Ghosts } from '../../lib/kv/ghosts.js';

const ghostAt = (removedAtMs: number) =>
  ({ reason: 'evicted', removedAtMs, wasProtected: false }) as const;

describe('Ghosts', () => {
  test('remembers reason, time and standing', () => {
    const ghosts = new Ghosts(4);
    const ghost = { reason: 'expired', removedAtMs: 12.5, wasProtected: true } as const;
    ghosts.add(17, -3, ghost);
    expect(ghosts.find(17, -3)).toEqual(ghost);
    expect(ghosts.find(17, 3)).toBeUndefined();
    ghosts.checkInvariants();
  });

  test('forgets the oldest beyond its bound', () => {
    const ghosts = new Ghosts(3);
    for (let i = 0; i < 10; i++) {
      ghosts.add(i * 4, i, ghostAt(i)); // all in one bucket
      ghosts.checkInvariants();
    }
    expect(ghosts.size).toBe(3);
    expect([6, 7, 8, 9].map((i) => ghosts.find(i * 4, i)?.removedAtMs)).toEqual([
      undefined,
      7,
      8,
      9,
    ]);
  });

  test('replaces a ghost that comes again', () => {
    const ghosts = new Ghosts(3);
    ghosts.add(1, 1, ghostAt(1));
    ghosts.add(1, 1, ghostAt(2));
    expect(ghosts.size).toBe(1);
    expect(ghosts.find(1, 1)?.removedAtMs).toBe(2);
    ghosts.remove(1, 1);
    expect(ghosts.size).toBe(0);
    ghosts.checkInvariants();
  });

  test('remembers nothing when it may keep nothing', () => {
    const ghosts = new Ghosts(0);
    ghosts.add(1, 1, ghostAt(1));
    expect(ghosts.find(1, 1)).toBeUndefined();
    ghosts.checkInvariants();
  });
});
