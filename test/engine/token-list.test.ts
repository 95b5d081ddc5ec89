import { TokenList } from '../../lib/engine/token-list.js';

describe('TokenList', () => {
  test('has each token at its position, also far beyond what was expected', () => {
    for (const [promptLen, numExpected] of [
      [1, 0],
      [1, 4000],
      [16, 1],
      [1000, 64],
    ]) {
      const prompt = Int32Array.from({ length: promptLen }, (_, i) => 7 * i);
      const list = new TokenList(prompt, numExpected);
      const expected = [...prompt];
      for (let token = 0; token < 300; token++) {
        list.push(token);
        expected.push(token);
        expect(list.memory[list.length - 1]).toBe(token);
      }
      expect(list).toHaveLength(expected.length);
      expect([...list.view()]).toEqual(expected);
      expect([...list.memory.subarray(0, list.length)]).toEqual(expected);
      expect(list.at(promptLen)).toBe(0);
    }
  });

  test('leaves the prompt that it was made of alone', () => {
    const prompt = Int32Array.of(1, 2, 3);
    const list = new TokenList(prompt, 10);
    prompt[0] = 9;
    list.push(4);
    expect([...list.view()]).toEqual([1, 2, 3, 4]);
    expect([...prompt]).toEqual([9, 2, 3]);
  });
});
