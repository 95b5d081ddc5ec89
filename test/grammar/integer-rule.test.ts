// Ranges of integers, as XGrammar itself understands the rules that are written for them.
import { integerRule } from '../../lib/grammar/integer-rules.js';
import { loadXGrammar } from '../../lib/grammar/xgrammar.js';
import { randomFrom } from '../engine/harness.js';

const seed = Number(process.env.PA_SEED ?? Date.now() % 1_000_000);
const most = 999_999_999_999_999;
const stopId = 256;

test(`a rule takes the integers of its range and no other (PA_SEED=${seed})`, async () => {
  const random = randomFrom(seed);
  const xgrammar = loadXGrammar(() => {});
  const bytes = Array.from({ length: 256 }, (_, byte) => {
    return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
  });
  const info = await xgrammar.TokenizerInfo.createTokenizerInfo(
    [...bytes, ''],
    'byte_fallback',
    false,
    257,
  );
  const compiler = await xgrammar.GrammarCompiler.createGrammarCompiler(info, false);
  const draw = (digits: number) =>
    Math.floor((random() * 2 - 1) * 10 ** Math.floor(random() * digits));
  for (let i = 0; i < 40; i++) {
    const a = i % 5 === 0 ? -most : draw(15);
    const b = i % 7 === 0 ? most : i % 3 === 0 ? a + Math.floor(random() * 60) : draw(15);
    const [low, high] = [Math.min(a, b), Math.max(a, b)];
    const rules: string[] = [];
    const root = integerRule(low, high, (rule) => {
      rules.push(`part${rules.length} ::= ${rule}`);
      return `part${rules.length - 1}`;
    });
    const grammar = await xgrammar.Grammar.fromEBNF([`root ::= ${root}`, ...rules].join('\n'));
    const compiled = await compiler.compileGrammar(grammar);
    const accepts = async (text: string) => {
      const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(compiled, [stopId]);
      const isPrefix = [...text].every((char) => matcher.acceptToken(char.charCodeAt(0)));
      const mayEnd = isPrefix && ((await matcher.getNextTokenBitmask())[8] & 1) === 1;
      matcher.dispose();
      return mayEnd;
    };
    const near = [low, high].flatMap((value) => [value - 1, value, value + 1, value * 10]);
    for (const value of [...near, 0, 9, 10, -1, ...Array.from({ length: 12 }, () => draw(16))]) {
      if (Object.is(value, -0) || !Number.isSafeInteger(value)) continue;
      expect([low, high, value, await accepts(`${value}`)]).toEqual([
        low,
        high,
        value,
        value >= low && value <= high,
      ]);
    }
    for (const odd of ['-0', '00', '01', '-', ''])
      expect([odd, await accepts(odd)]).toEqual([odd, false]);
    compiled.dispose();
    grammar.dispose();
  }
});
