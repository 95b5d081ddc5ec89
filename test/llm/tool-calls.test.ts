// Tool calls out of text: what is found depends on the text alone, however it came in pieces.
import fc from 'fast-check';
import { type ReplyPart, ToolCallReader, type ToolFormat } from '../../lib/llm/tool-calls.js';

/** Parts without the ids, which are new each time. */
function read(format: ToolFormat, ...pieces: string[]): unknown[] {
  const reader = new ToolCallReader(format);
  const streamed: ReplyPart[] = pieces.flatMap((piece) => reader.push(piece, false));
  streamed.push(...reader.push('', true));
  const whole = streamed.map((part) => ('text' in part ? part.text : JSON.stringify(part.call)));
  expect(
    reader.parts.map((part) => ('text' in part ? part.text : JSON.stringify(part.call))).join(''),
  ).toBe(whole.join(''));
  return reader.parts.map((part) =>
    part.type === 'text' ? part : { name: part.call.name, arguments: part.call.arguments },
  );
}

const text = (words: string) => ({ type: 'text', text: words });
const malformed = (words: string) => ({
  type: 'text',
  text: words,
  malformed: expect.any(String),
});
const tagged = (json: string) => `<tool_call>${json}</tool_call>`;

describe('calls between tags', () => {
  test('are found between text, several of them', () => {
    const one = tagged('\n{"name": "a", "arguments": {"x": 1}}\n');
    const two = tagged('{"arguments":{},"name":"b"}');
    expect(read('hermes', `Well.\n${one}\n${two} Done`)).toEqual([
      text('Well.\n'),
      { name: 'a', arguments: { x: 1 } },
      text('\n'),
      { name: 'b', arguments: {} },
      text(' Done'),
    ]);
  });

  test('may hold the closing tag in a string', () => {
    const json = '{"name": "a", "arguments": {"x": "</tool_call>\\""}}';
    expect(read('hermes', `${tagged(json)}!`)).toEqual([
      { name: 'a', arguments: { x: '</tool_call>"' } },
      text('!'),
    ]);
  });

  test('need no closing tag at the end', () => {
    const json = '<tool_call>{"name": "a", "arguments": {"x": 2}}';
    expect(read('hermes', json)).toEqual([{ name: 'a', arguments: { x: 2 } }]);
  });

  test.each([
    tagged('{"name": "a", "arguments": {'),
    tagged('{"arguments": {}}'),
    tagged('{"name": "a", "arguments": 3}'),
    tagged('[]'),
    tagged('get_weather("Oslo")'),
  ])('stay text where they cannot be read, and say why: %s', (raw) => {
    const good = tagged('{"name": "b", "arguments": {}}');
    expect(read('hermes', `x${raw}y${good}`)).toEqual([
      text('x'),
      malformed(raw),
      text('y'),
      { name: 'b', arguments: {} },
    ]);
  });

  test('lose nothing to a string that never ends', () => {
    const raw = tagged('{"name": "a}');
    const good = tagged('{"name": "b", "arguments": {}}');
    expect(read('hermes', `${raw} ${good}`)).toEqual([
      malformed(raw),
      text(' '),
      { name: 'b', arguments: {} },
    ]);
    expect(read('hermes', '<tool_call>{"name": "a", "argu')).toEqual([
      malformed('<tool_call>{"name": "a", "argu'),
    ]);
  });

  test('text that only begins like a tag is text', () => {
    expect(read('hermes', 'a <tool', '_cal', ' b <')).toEqual([text('a <tool_cal b <')]);
  });
});

describe('calls as bare JSON', () => {
  test('are found where the text begins, several of them', () => {
    const one = '{"name": "a", "parameters": {"x": {"y": "}"}}}';
    expect(read('llama', `${one}; {"name": "b", "arguments": {}}`)).toEqual([
      { name: 'a', arguments: { x: { y: '}' } } },
      text('; '),
      { name: 'b', arguments: {} },
    ]);
  });

  test('may follow the tag', () => {
    expect(read('llama', '<|python_tag|>{"name": "a", "parameters": {}}')).toEqual([
      { name: 'a', arguments: {} },
    ]);
  });

  test('are not looked for inside text', () => {
    const words = 'It is {"name": "a", "parameters": {}}.';
    expect(read('llama', words)).toEqual([text(words)]);
  });

  test('stay text where they cannot be read; JSON that names nothing is no failed call', () => {
    expect(read('llama', '{"name": 3}')).toEqual([malformed('{"name": 3}')]);
    expect(read('llama', '{"name": "a", "param')).toEqual([malformed('{"name": "a", "param')]);
    expect(read('llama', '{"answer": 3}')).toEqual([text('{"answer": 3}')]);
  });
});

describe('a stream', () => {
  const fragments = [
    ...['<tool_call>', '</tool_call>', '<tool', '</', '{', '}', '"', '\\', ';', ' ', '\n', 'word'],
    ...['{"name": "f", "arguments": {"k": "v"}}', '{"name": "g", "parameters": {}}', '"name"'],
    ...['<|python_tag|>', '<|py', '[', ']', '{"a": 1}', '"</tool_call>"'],
  ];
  test.each<ToolFormat>(['hermes', 'llama'])('gives the same however it is split: %s', (format) => {
    const splits = fc.record({
      words: fc.array(fc.constantFrom(...fragments), { maxLength: 12 }),
      cuts: fc.array(fc.nat(), { maxLength: 10 }),
    });
    fc.assert(
      fc.property(splits, ({ words, cuts }) => {
        const whole = words.join('');
        const places = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort(
          (a, b) => a - b,
        );
        const pieces = [...places, whole.length].map((end, i) =>
          whole.slice(places[i - 1] ?? 0, end),
        );
        const expected = read(format, whole);
        expect(read(format, ...pieces)).toEqual(expected);
        expect(read(format, ...whole)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });
});
