/**
 * A rule for the integers of a range, digit by digit, without leading zeros.
 *
 * Each number of digits has a rule of its own: put into one, XGrammar merges states of them that differ.
 *
 * @param least both inclusive, at most 15 digits
 * @param named gives a rule a name
 * @returns alternatives in EBNF
 */
export function integerRule(least: number, most: number, named: (rule: string) => string): string {
  const alternatives: string[] = [];
  if (least < 0) {
    const smallest = String(Math.max(1, -most));
    for (const rule of naturals(smallest, String(-least))) alternatives.push(`"-" ${named(rule)}`);
  }
  if (most < 0) return alternatives.join(' | ');
  const rules = naturals(String(Math.max(0, least)), String(most));
  return [...alternatives, ...rules.map(named)].join(' | ');
}

/** Those with as few digits as the least, those with as many as the most, and those between. */
function naturals(least: string, most: string): string[] {
  if (least.length === most.length) return [sameLength(least, most)];
  const rules = [sameLength(least, '9'.repeat(least.length))];
  const [fewest, many] = [least.length + 1, most.length - 1];
  if (fewest <= many) rules.push(`[1-9] [0-9]{${fewest - 1},${many - 1}}`);
  rules.push(sameLength(`1${'0'.repeat(many)}`, most));
  return rules;
}

/** Digits from `low` to `high`, both of one length. */
function sameLength(low: string, high: string): string {
  const length = low.length;
  if (/^0*$/.test(low) && /^9*$/.test(high)) return length === 0 ? '""' : `[0-9]{${length}}`;
  const [first, last] = [Number(low[0]), Number(high[0])];
  const rest = length - 1;
  if (first === last) return `"${first}" (${sameLength(low.slice(1), high.slice(1))})`;
  const rules: string[] = [];
  const isLowOpen = /^0*$/.test(low.slice(1));
  const isHighOpen = /^9*$/.test(high.slice(1));
  if (!isLowOpen) rules.push(`"${first}" (${sameLength(low.slice(1), '9'.repeat(rest))})`);
  const [from, to] = [isLowOpen ? first : first + 1, isHighOpen ? last : last - 1];
  if (from <= to) rules.push(`[${from}-${to}]${rest > 0 ? ` [0-9]{${rest}}` : ''}`);
  if (!isHighOpen) rules.push(`"${last}" (${sameLength('0'.repeat(rest), high.slice(1))})`);
  return rules.map((rule) => `(${rule})`).join(' | ');
}
