import { findWideClass } from '../../lib/grammar/character-classes.js';

describe('findWideClass', () => {
  test.each([
    ['regex', 'a[а-я]+', '[а-я]'],
    ['regex', '[abc][x\\]é]', '[x\\]é]'],
    ['regex', '[\\u0430-\\u044f]', '[\\u0430-\\u044f]'],
    ['regex', '[^\\xe9]', '[^\\xe9]'],
    ['regex', '"[é]"', '[é]'],
    ['ebnf', 'root ::= "[" [à-ÿ]* "]"', '[à-ÿ]'],
    ['ebnf', 'root ::= [\\U0001F600-\\u{1F610}]', '[\\U0001F600-\\u{1F610}]'],
  ] as const)('finds in the %s %j the class %j', (kind, source, found) => {
    expect(findWideClass(source, kind)).toBe(found);
  });

  test.each([
    ['regex', '[^"\\\\\\x00-\\x1f]{2}(é|à)\\[я\\]'],
    ['regex', '[\\u0041-\\u005a\\]]я[]'],
    ['ebnf', 'root ::= "[é]" "\\"[я]" [a-z] # [я]\n'],
  ] as const)('finds none in the %s %j', (kind, source) => {
    expect(findWideClass(source, kind)).toBeUndefined();
  });
});
