import { integerRule } from './integer-rules.js';
import { patternRule } from './pattern.js';

type Schema = Readonly<Record<string, unknown>>;

/** Formats whose values are plain text of a known shape; days end at 28, so that every date is one. */
export const formatPatterns: Readonly<Record<string, string>> = makeFormats();

/** JSON on one line, with a space after each mark. Numbers stay finite. */
const basics = String.raw`any ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" (string ": " any (", " string ": " any)*)? "}"
array ::= "[" (any (", " any)*)? "]"
string ::= "\"" (char | "\\u" [0-9a-fA-F]{4})* "\""
char ::= [^"\\\x00-\x1f] | "\\" ["\\/bfnrt]
number ::= "-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]{1,17})? ([eE] [+\-]? [0-9]{1,2})?`;

/**
 * Writes a schema that `normalizeSchema` gave as a grammar in EBNF, to the letter.
 *
 * XGrammar has such a writer too; the ranges and lengths that it writes let wrong values through.
 */
export function schemaRules(schema: Schema): string {
  return new RuleWriter(schema).write();
}

class RuleWriter {
  readonly #root: Schema;
  readonly #rules: string[] = [];
  readonly #names = new Map<string, string>([['#', 'root']]);

  constructor(root: Schema) {
    this.#root = root;
  }

  write(): string {
    const root = this.#ruleOf(this.#root);
    return [`root ::= ${root}`, ...this.#rules, basics].join('\n');
  }

  /** Gives an expression a name, so that it stands in one place. */
  #named(expression: string): string {
    const name = `part${this.#rules.length}`;
    this.#rules.push(`${name} ::= ${expression}`);
    return name;
  }

  #ruleOf(schema: Schema): string {
    if (schema.$ref !== undefined) return this.#refTo(schema.$ref as string);
    if (schema.anyOf !== undefined) {
      return `(${(schema.anyOf as Schema[]).map((part) => this.#ruleOf(part)).join(' | ')})`;
    }
    if (schema.enum !== undefined) {
      return `(${(schema.enum as unknown[]).map((value) => quoted(jsonLine(value))).join(' | ')})`;
    }
    switch (schema.type) {
      case 'null':
        return '"null"';
      case 'boolean':
        return '("true" | "false")';
      case 'integer':
        return `(${this.#integerRule(schema)})`;
      case 'string':
        return stringRule(schema);
      case 'array':
        return this.#arrayRule(schema);
      case 'object':
        return this.#objectRule(schema);
      default:
        return schema.type === 'number' ? 'number' : 'any';
    }
  }

  #integerRule({ minimum, maximum }: Schema): string {
    return integerRule(minimum as number, maximum as number, (rule) => this.#named(rule));
  }

  #refTo(ref: string): string {
    const known = this.#names.get(ref);
    if (known !== undefined) return known;
    const name = `def${this.#names.size}`;
    this.#names.set(ref, name);
    const [, group, encoded] = ref.split('/');
    const key = decodeURIComponent(encoded).replace(/~1/g, '/').replace(/~0/g, '~');
    const defs = this.#root[group] as Readonly<Record<string, Schema>>;
    this.#rules.push(`${name} ::= ${this.#ruleOf(defs[key])}`);
    return name;
  }

  #arrayRule({ items, prefixItems = [], minItems = 0, maxItems }: Schema): string {
    const prefix = (prefixItems as Schema[]).map((item) => this.#ruleOf(item));
    const least = Math.max(0, (minItems as number) - prefix.length);
    const most =
      items === false
        ? 0
        : maxItems === undefined
          ? Infinity
          : (maxItems as number) - prefix.length;
    if (most === 0) return `"[" ${prefix.join(' ", " ')} "]"`;
    const item = this.#named(this.#ruleOf(items as Schema));
    if (prefix.length > 0) {
      return `"[" ${prefix.join(' ", " ')} (", " ${item})${repeated(least, most)} "]"`;
    }
    const more = `${item} (", " ${item})${repeated(Math.max(0, least - 1), most - 1)}`;
    return least > 0 ? `"[" ${more} "]"` : `("[" "]" | "[" ${more} "]")`;
  }

  #objectRule({ properties, required, additionalProperties }: Schema): string {
    if (properties === undefined) {
      const entry = this.#named(`string ": " ${this.#ruleOf(additionalProperties as Schema)}`);
      return `("{" "}" | "{" ${entry} (", " ${entry})* "}")`;
    }
    const entries = Object.entries(properties as Record<string, Schema>).map(([name, value]) => ({
      rule: this.#named(`${quoted(`${JSON.stringify(name)}: `)} ${this.#ruleOf(value)}`),
      isRequired: (required as string[] | undefined)?.includes(name) === true,
    }));
    // What may follow, from the last property on: where one came before, and where none did.
    let [after, first] = ['""', '""'];
    for (const { rule, isRequired } of entries.reverse()) {
      const [withComma, alone] = [`", " ${rule} ${after}`, `${rule} ${after}`];
      const [nextAfter, nextFirst] = isRequired
        ? [withComma, alone]
        : [`(${withComma}) | ${after}`, `(${alone}) | ${first}`];
      after = this.#named(nextAfter);
      first = this.#named(nextFirst);
    }
    return `"{" ${first} "}"`;
  }
}

function stringRule({ pattern, format, minLength, maxLength }: Schema): string {
  const known = pattern ?? formatPatterns[format as string];
  if (known !== undefined) {
    const read = patternRule(known);
    return `"\\"" (${'rule' in read ? read.rule : '""'}) "\\""`;
  }
  if (minLength === undefined && maxLength === undefined) return 'string';
  const bounds = repeated((minLength as number) ?? 0, (maxLength as number) ?? Infinity);
  return `"\\"" char${bounds} "\\""`;
}

function repeated(least: number, most: number): string {
  return most === Infinity ? `{${least},}` : `{${least},${most}}`;
}

/** A text as a literal of EBNF. */
function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

/** JSON as the other rules write it. */
function jsonLine(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(jsonLine).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).map(
    ([key, item]) => `${JSON.stringify(key)}: ${jsonLine(item)}`,
  );
  return `{${entries.join(', ')}}`;
}

function makeFormats(): Record<string, string> {
  const date = '[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])';
  const clock = '([01][0-9]|2[0-3]):[0-5][0-9]';
  const time = `${clock}:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]${clock})`;
  const byte = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9][0-9]|[0-9])';
  const hex = (count: number) => `[0-9a-f]{${count}}`;
  const uuid = `${hex(8)}-${hex(4)}-[1-8]${hex(3)}-[89ab]${hex(3)}-${hex(12)}`;
  const ipv4 = `(${byte}\\.){3}${byte}`;
  return { date, time, 'date-time': `${date}T${time}`, uuid, ipv4 };
}
