import { Completions } from '../../lib/device/completions.js';

/** A batch as the addon reports it, of works that went well. */
function doneBatch(...ids: number[]) {
  return ids.flatMap((id) => [id, null, '', null]);
}

describe('Completions', () => {
  test('leaves the event loop its turn between two reports, however fast they follow', async () => {
    const completions = new Completions();
    const turns: string[] = [];
    let numLeft = 50;
    // Work that is done as soon as it was queued, as the addon reports it: from inside one callback.
    const work = async (): Promise<void> => {
      while (numLeft-- > 0) {
        await completions.run((id) => queueMicrotask(() => completions.settle(doneBatch(id))));
        turns.push('work');
      }
    };
    const timer = setInterval(() => turns.push('timer'), 0);
    setImmediate(function turn() {
      turns.push('loop');
      if (numLeft > 0) setImmediate(turn);
    });
    await work();
    clearInterval(timer);
    const longest = Math.max(
      ...turns
        .join(' ')
        .split(/loop|timer/)
        .map((run) => run.split('work').length - 1),
    );
    expect(turns.filter((turn) => turn === 'work')).toHaveLength(50);
    expect(longest).toBeLessThanOrEqual(2);
  });

  test('settles each promise once and in order, those of deferred reports too', async () => {
    const completions = new Completions();
    const ended: string[] = [];
    const ids: number[] = [];
    for (let i = 0; i < 4; i++) {
      completions
        .run((id) => ids.push(id))
        .then(
          () => ended.push(`done ${i}`),
          (error) => ended.push(`${error.code} ${i}`),
        );
    }
    completions.settle(doneBatch(ids[0]));
    completions.settle([ids[1], 'ERR_OUT_OF_MEMORY', 'none is left', null]);
    completions.settle(doneBatch(ids[2], ids[3]));
    await Promise.resolve();
    expect(ended).toEqual(['done 0']);
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(ended).toEqual(['done 0', 'ERR_OUT_OF_MEMORY 1', 'done 2', 'done 3']);
    completions.settle(doneBatch(ids[0]));
    expect(ended).toHaveLength(4);
  });
});
