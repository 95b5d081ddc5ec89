import { patternRule } from '../../lib/grammar/pattern.js';
import { normalizeSchema } from '../../lib/grammar/schema.js';
import { readVocabulary } from '../../lib/grammar/vocabulary.js';

const normalized = (schema: unknown) => normalizeSchema(JSON.stringify(schema));

describe('normalizeSchema', () => {
  test.each<[unknown, unknown]>([
    [true, {}],
    [{ type: 'integer' }, { type: 'integer', minimum: -(10 ** 15 - 1), maximum: 10 ** 15 - 1 }],
    [
      { type: 'integer', exclusiveMinimum: 3, maximum: 9.5 },
      { type: 'integer', minimum: 4, maximum: 9 },
    ],
    [{ minLength: 2 }, { type: 'string', minLength: 2 }],
    [{ type: ['string', 'null'] }, { anyOf: [{ type: 'string' }, { type: 'null' }] }],
    [{ const: 'x', type: 'string' }, { enum: ['x'] }],
    [{ enum: [1, 'x', null], type: ['integer', 'null'] }, { enum: [1, null] }],
    [{ allOf: [{ type: 'null' }], title: 'nothing' }, { type: 'null' }],
    [{ oneOf: [{ type: 'null' }, true] }, { anyOf: [{ type: 'null' }, {}] }],
    [{ type: 'array' }, { type: 'array', items: {} }],
    [
      { type: 'array', prefixItems: [{ type: 'null' }] },
      { type: 'array', prefixItems: [{ type: 'null' }], items: false },
    ],
    [{ type: 'object' }, { type: 'object', additionalProperties: {} }],
    [
      { type: 'object', properties: { a: { type: 'null' } }, additionalProperties: true },
      {
        type: 'object',
        properties: { a: { type: 'null' } },
        required: [],
        additionalProperties: false,
      },
    ],
    [{ type: 'string', format: 'email' }, { type: 'string' }],
    [
      { type: 'string', format: 'date' },
      { type: 'string', format: 'date' },
    ],
    [
      { $ref: '#/$defs/n', $defs: { n: { type: 'null' } } },
      { $ref: '#/$defs/n', $defs: { n: { type: 'null' } } },
    ],
  ])('brings %j into the form that is enforced', (schema, expected) => {
    expect(normalized(schema)).toEqual(expected);
  });

  test.each<[unknown, string, string]>([
    [{ not: {} }, '#', 'not'],
    [{ type: 'array', uniqueItems: true }, '#', 'uniqueItems'],
    [{ properties: { a: { minimum: 1, type: 'number' } } }, '#/properties/a', 'minimum'],
    [{ items: { allOf: [true, true] } }, '#/items', 'allOf with more than one part'],
    [{ anyOf: [{ patternProperties: {} }] }, '#/anyOf/0', 'patternProperties'],
    [{ $defs: { x: { if: true } } }, '#/$defs/x', 'if'],
    [{ $ref: 'https://example.org/x' }, '#', '$ref to another document'],
    [{ $ref: '#', type: 'object' }, '#', 'type beside $ref'],
    [{ enum: [1], minimum: 0 }, '#', 'minimum beside enum'],
    [{ pattern: 'a', minLength: 3 }, '#', 'minLength beside pattern'],
    [{ type: 'string', minItems: 3 }, '#', 'minItems where the type is "string"'],
    [{ properties: {}, required: ['b'] }, '#', 'required of "b"'],
    [{ propertyNames: { minLength: 2 }, type: 'object' }, '#', 'propertyNames'],
    [{ pattern: 'a.b' }, '#', 'pattern with "." as any character'],
  ])('refuses %j, naming place and keyword', (schema, place, keyword) => {
    expect(() => normalized(schema)).toThrow(
      expect.objectContaining({
        code: 'ERR_SCHEMA_UNSUPPORTED',
        message: expect.stringContaining(`the schema at ${place} uses ${keyword}`),
      }),
    );
  });

  test.each<[unknown, string]>([
    [{ type: 'strin' }, 'the schema at # has type "strin"'],
    [{ properties: { a: 3 } }, 'the schema at #/properties/a is 3'],
    [false, 'nothing satisfies'],
    [{ type: 'integer', minimum: 5, maximum: 2 }, 'no integer in [5, 2]'],
    [{ type: 'string', minLength: -1 }, '#/minLength is -1; expected an integer >= 0'],
    [{ type: 'string', minLength: 3, maxLength: 2 }, 'minLength above maxLength'],
    [{ $ref: '#/$defs/nope' }, 'refers to #/$defs/nope, which is not there'],
    [{ enum: ['a'], type: 'integer' }, 'no value that its type allows'],
    [{ anyOf: [] }, '#/anyOf is no list of schemas'],
  ])('refuses %j as no schema', (schema, message) => {
    expect(() => normalized(schema)).toThrow(
      expect.objectContaining({
        code: 'ERR_SCHEMA_INVALID',
        message: expect.stringContaining(message),
      }),
    );
  });
});

describe('patternRule', () => {
  test.each([
    ...['abc', '^[a-z]{2,3}$', String.raw`^\d+(\.\d{2})?$`, '(?:a|b)*', '[A-Fa-f0-9-]+'],
    String.raw`\w+@\w+\.com`,
  ])('takes %s', (pattern) => {
    expect(patternRule(pattern)).toEqual({ rule: expect.any(String) });
  });

  test.each([
    ...['.', 'a.b', '[^a]', '"', String.raw`\\`, String.raw`\n`, String.raw`\s`, String.raw`\W`],
    ...['(?=a)', '(?<name>a)', '[ -~]', '[!-z]', 'ä', '[A-z]', 'a$b', String.raw`\x22`],
  ])('refuses %s, which JSON may write another way', (pattern) => {
    expect(patternRule(pattern)).toEqual({ reason: expect.any(String) });
  });
});

describe('readVocabulary', () => {
  const json = (decoder: unknown, vocab: unknown) =>
    JSON.stringify({
      decoder,
      model: { vocab },
      added_tokens: [{ id: 1, content: '<s>', special: true }],
    });

  test('has a piece for each logit, and none for special tokens', () => {
    const vocabulary = readVocabulary(
      json({ type: 'ByteLevel' }, { a: 0, '<s>': 1, b: 2, c: 9 }),
      4,
    );
    expect(vocabulary).toEqual({ pieces: ['a', '', 'b', ''], kind: 'byte_level' });
  });

  test.each([
    [{ type: 'Sequence', decoders: [{ type: 'ByteFallback' }] }, 'byte_fallback'],
    [{ type: 'Metaspace' }, 'byte_fallback'],
    [null, 'raw'],
  ])('knows how bytes are written by the decoder %j', (decoder, kind) => {
    const vocab = [
      ['x', -1],
      ['y', -2],
    ];
    expect(readVocabulary(json(decoder, vocab), 2)).toEqual({ pieces: ['x', ''], kind });
  });

  test('refuses a file without one', () => {
    expect(() => readVocabulary('{}', 4)).toThrow(
      expect.objectContaining({ code: 'ERR_TOKENIZER_INVALID' }),
    );
  });
});
