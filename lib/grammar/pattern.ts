/**
 * Says why a string's pattern cannot be enforced inside JSON, if it cannot.
 *
 * A pattern is about the text that JSON stands for, a grammar about JSON itself: they are the same only where no
 * character needs a backslash in JSON. So whatever could match a quote, a backslash or a control character is refused.
 * A pattern stands for the whole text, as with `^` and `$` around it.
 */
export function checkPattern(pattern: unknown): string | undefined {
  if (typeof pattern !== 'string') return 'that is no text';
  if (/[^ -~]/.test(pattern)) return 'with characters outside ASCII';
  const body = pattern.replace(/^\^/, '').replace(/\$$/, '');
  if (/\(\?(?!:)/.test(body)) return 'with a lookaround or a named group';
  if (/["^$]|\[\^|\\[^dwnrt.\-+*?()[\]{}|/^$]|\\[nrt]/.test(body.replace(/\\[\^$]/g, ''))) {
    return 'with a negated class, an anchor inside, or an escape or quote that JSON writes another way';
  }
  if (hasWildcard(body)) return 'with "." as any character';
  return hasUnsafeRange(body) ? 'with a range that holds a quote or a backslash' : undefined;
}

/** A dot outside brackets and without a backslash. */
function hasWildcard(pattern: string): boolean {
  return pattern
    .replace(/\\./g, '')
    .replace(/\[[^\]]*\]/g, '')
    .includes('.');
}

function hasUnsafeRange(pattern: string): boolean {
  const classes = pattern.replace(/\\[\]\\-]/g, '_').match(/\[[^\]]*\]/g) ?? [];
  return classes.some((set) =>
    [...set.matchAll(/([^\\[])-([^\]])/g)].some(([, first, last]) =>
      ['"', '\\'].some((unsafe) => first <= unsafe && unsafe <= last),
    ),
  );
}
