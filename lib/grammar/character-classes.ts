/** What may stand outside brackets that opens none: an escape; in a grammar also a text and a comment. */
const skipped = {
  regex: /\\./suy,
  ebnf: /\\.|"(?:\\.|[^"\\])*"|#[^\n]*/suy,
} as const;
const bracketed = /\[(?:\\.|[^\]\\])*\]/suy;
const escapedCode = /\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|u\{([0-9a-f]+)\}|U([0-9a-f]{8}))/giu;

/**
 * The first character class, `[...]`, that holds characters outside ASCII. XGrammar takes bytes for them: it would allow
 * others, and parts of characters.
 *
 * @see https://github.com/mlc-ai/xgrammar/issues/848
 */
export function findWideClass(source: string, kind: keyof typeof skipped): string | undefined {
  for (let at = 0; at < source.length; ) {
    const [plain] = matchAt(skipped[kind], source, at) ?? [];
    const [found] = matchAt(bracketed, source, at) ?? [];
    if (plain === undefined && found !== undefined && isWide(found)) return found;
    at += (plain ?? found)?.length || 1;
  }
  return undefined;
}

function matchAt(pattern: RegExp, source: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(source);
}

function isWide(found: string): boolean {
  if (/[^ -~\s]/u.test(found)) return true;
  return [...found.matchAll(escapedCode)].some(
    ([, ...codes]) => Number.parseInt(codes.find(Boolean) ?? '', 16) > 0x7f,
  );
}
