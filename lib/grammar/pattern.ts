/** A pattern as EBNF, or why it cannot be one. */
export type PatternRule = { readonly rule: string } | { readonly reason: string };

/** What a class or an escape stands for, inside brackets. */
const classes: Readonly<Record<string, string>> = { d: '0-9', w: 'a-zA-Z0-9_' };
const punctuation = /^[-.+*?()[\]{}|/^$:,;=!@#%&~_<> ]$/;

/**
 * Reads a string's pattern into a rule for JSON text.
 *
 * A pattern is about the text that JSON stands for, a grammar about JSON itself: they are the same only where no
 * character needs a backslash in JSON. So whatever could match a quote, a backslash or a control character is refused.
 * A pattern stands for the whole text, as with `^` and `$` around it.
 */
export function patternRule(pattern: unknown): PatternRule {
  if (typeof pattern !== 'string') return { reason: 'that is no text' };
  try {
    new RegExp(pattern, 'u');
    const body = pattern.replace(/^\^/, '').replace(/(?<!\\)\$$/, '');
    return { rule: new PatternReader(body).read() };
  } catch (error) {
    return { reason: (error as Error).message };
  }
}

/** One pass over the pattern; throws an error whose message is the reason. */
class PatternReader {
  readonly #pattern: string;
  #at = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  read(): string {
    const parts: string[] = [];
    while (this.#at < this.#pattern.length) parts.push(this.#next());
    return parts.length === 0 ? '""' : emptyBetween(parts).join(' ');
  }

  #next(): string {
    const char = this.#pattern[this.#at++];
    if (char === '(') return this.#group();
    if (char === ')' || char === '|') return char;
    if (char === '[') return this.#set();
    if (char === '\\') return this.#escape();
    if (char === '*' || char === '+' || char === '?') return this.#repeat(char);
    if (char === '{') return this.#bounds();
    if (char === '.') throw new Error('with "." as any character');
    if (char === '^' || char === '$') throw new Error('with an anchor inside');
    return literal(char);
  }

  #group(): string {
    if (this.#pattern.startsWith('?:', this.#at)) this.#at += 2;
    else if (this.#pattern[this.#at] === '?') throw new Error('with a lookaround or a named group');
    return '(';
  }

  #repeat(char: string): string {
    if (this.#pattern[this.#at] === '?') this.#at++; // lazy: the same language
    return char;
  }

  #bounds(): string {
    const match = /^\d+(,\d*)?\}/.exec(this.#pattern.slice(this.#at)) as RegExpExecArray;
    this.#at += match[0].length;
    return `${this.#repeat('{')}${match[0]}`;
  }

  #escape(): string {
    const char = this.#pattern[this.#at++];
    if (char in classes) return `[${classes[char]}]`;
    if (punctuation.test(char)) return literal(char);
    throw new Error(`with \\${char}, which JSON may write another way`);
  }

  #set(): string {
    if (this.#pattern[this.#at] === '^') throw new Error('with a negated class');
    let chars = '';
    for (;;) {
      const first = this.#setItem();
      if (first === undefined) break;
      const isRange = this.#pattern[this.#at] === '-' && this.#pattern[this.#at + 1] !== ']';
      if (first.length > 1 || !isRange) {
        chars += first.length > 1 ? first : setChar(first);
        continue;
      }
      this.#at++;
      const last = this.#setItem() as string;
      if ([...'"\\'].some((unsafe) => first <= unsafe && unsafe <= last)) {
        throw new Error('with a range that holds a quote or a backslash');
      }
      chars += `${setChar(first)}-${setChar(last)}`;
    }
    return `[${chars}]`;
  }

  /** A character, several for a class inside the brackets; `undefined` at their end. */
  #setItem(): string | undefined {
    const char = this.#pattern[this.#at++];
    if (char === ']') return undefined;
    if (char !== '\\') return safe(char);
    const escaped = this.#pattern[this.#at++];
    if (escaped in classes) return classes[escaped];
    if (punctuation.test(escaped)) return escaped;
    throw new Error(`with \\${escaped}, which JSON may write another way`);
  }
}

/** Repetitions follow what they repeat without a space; an empty alternative is an empty text. */
function emptyBetween(parts: readonly string[]): string[] {
  const rules: string[] = [];
  parts.forEach((part, i) => {
    const opens = i === 0 || parts[i - 1] === '(' || parts[i - 1] === '|';
    if (opens && (part === '|' || part === ')')) rules.push('""');
    if (/^[*+?{]/.test(part)) rules[rules.length - 1] += part;
    else rules.push(part);
  });
  if (parts.at(-1) === '|') rules.push('""');
  return rules;
}

function literal(char: string): string {
  return `"${safe(char)}"`;
}

function setChar(char: string): string {
  return /[\]^\-[]/.test(char) ? `\\x${char.charCodeAt(0).toString(16)}` : char;
}

function safe(char: string): string {
  if (!/^[ -~]$/.test(char)) throw new Error('with characters outside ASCII');
  if (char === '"' || char === '\\') throw new Error('with a quote or a backslash');
  return char;
}
