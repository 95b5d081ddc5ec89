import fc from 'fast-check';
import { readStops, StopStrings } from '../../lib/llm/stop-strings.js';

/** Feeds pieces and gives what was shown. */
function show(stops: readonly string[], pieces: readonly string[]): string {
  const strings = new StopStrings(stops);
  let shown = '';
  for (const [i, piece] of pieces.entries()) {
    const result = strings.push(piece, i === pieces.length - 1);
    shown += result.text;
    if (result.isStopped) break;
  }
  return shown;
}

describe('StopStrings', () => {
  test('shows what comes before the first stop string', () => {
    expect(show(['###', 'END'], ['one two ', 'three END four ###'])).toBe('one two three ');
  });

  test('finds a stop string across pieces and shows no part of it', () => {
    const strings = new StopStrings(['</answer>']);
    expect(strings.push('42</ans', false)).toEqual({ text: '42', isStopped: false });
    expect(strings.push('wer> more', false)).toEqual({ text: '', isStopped: true });
  });

  test('shows what only looked like a stop string', () => {
    const strings = new StopStrings(['</answer>']);
    expect(strings.push('42</ans', false).text).toBe('42');
    expect(strings.push(' no', false).text).toBe('</ans no');
    expect(strings.push('<', true)).toEqual({ text: '<', isStopped: false });
  });

  test('shows the same, however the text is cut', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 });
    const stops = fc.array(
      letters.filter((text) => text !== ''),
      { minLength: 1, maxLength: 3 },
    );
    fc.assert(
      fc.property(stops, fc.array(letters, { minLength: 1 }), (stops, pieces) => {
        const text = pieces.join('');
        const places = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
        const expected = places.length > 0 ? text.slice(0, Math.min(...places)) : text;
        // A longer stop string that starts earlier may still be unfinished when a shorter one is whole.
        const shown = show(stops, pieces);
        expect(expected.startsWith(shown) || shown.startsWith(expected)).toBe(true);
        expect(show(stops, [text])).toBe(expected);
        if (stops.length === 1) expect(shown).toBe(expected);
      }),
    );
  });
});

describe('readStops', () => {
  test('takes one text or several', () => {
    expect(readStops(undefined)).toEqual([]);
    expect(readStops('a')).toEqual(['a']);
    expect(readStops(['a', 'b'])).toEqual(['a', 'b']);
  });

  test.each([[''], [7], [['a', '']], [[null]]])('refuses %j', (stop) => {
    expect(() => readStops(stop as string)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    );
  });
});
