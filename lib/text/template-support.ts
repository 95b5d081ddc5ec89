import { Environment, Template } from '@huggingface/jinja';

/** Part of a parsed template. */
interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Functions that jinja2 gives every template and this engine does not. */
const missingFunctions: readonly string[] = ['cycler', 'dict', 'joiner', 'lipsum'];

/** One value of each kind that filters and methods are told apart by. */
const operands: readonly unknown[] = ['a', ['a'], { a: 1 }, 1, true];

const knownTests = new Environment().tests;

/**
 * Names the filters, tests, functions and methods of a template that this engine has for no value at all: they would
 * fail in the request that first reaches them. The engine itself is asked, so the answer is that of its version.
 *
 * @returns such as `filter batch`, each once, in order of appearance
 */
export function findUnsupported({ parsed }: Template): string[] {
  const nodes = [...nodesIn(parsed)];
  const own = new Set(nodes.flatMap(attributeSetBy));
  const filters = new Set(nodes.flatMap(({ filter }) => (isNode(filter) ? [filter] : [])));
  const found = nodes.flatMap((node) => {
    if (filters.has(node)) return findInFilter(node);
    if (node.type === 'TestExpression') return findTest(nameOf(node.test));
    return node.type === 'CallExpression' ? findInCall(node, own) : [];
  });
  return [...new Set(found)];
}

function* nodesIn(value: unknown): Generator<Node> {
  if (typeof value !== 'object' || value === null) return;
  if (isNode(value)) yield value;
  const parts = value instanceof Map ? [...value].flat() : Object.values(value);
  for (const part of parts) yield* nodesIn(part);
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value;
}

/** Of an identifier. */
function nameOf(node: unknown): string {
  return isNode(node) && node.type === 'Identifier' ? String(node.value) : '';
}

/** `{% set namespace.name = … %}`: what may be called is known only then. */
function attributeSetBy({ type, assignee }: Node): string[] {
  const isAttribute = type === 'Set' && isNode(assignee) && assignee.type === 'MemberExpression';
  return isAttribute ? [nameOf(assignee.property)] : [];
}

function findTest(name: string): string[] {
  return knownTests.has(name) ? [] : [`test ${name}`];
}

/** Applies a filter, with the arguments that it has in the template, to a value of each kind. */
function findInFilter(filter: Node): string[] {
  const name = nameOf(filter.type === 'CallExpression' ? filter.callee : filter);
  const probe = new Template('{{ operand | probe }}');
  Object.assign(probe.parsed.body[0], { filter });
  const isRefused = (operand: unknown) => {
    try {
      probe.render({ operand });
      return false;
    } catch (error) {
      const words = error instanceof Error ? error.message : '';
      return /^(Unknown \w+ filter|Cannot apply filter|`map` expressions without)/.test(words);
    }
  };
  if (operands.every(isRefused)) return [`filter ${name}`];
  const [, test] =
    Array.isArray(filter.args) && /^(select|reject)attr$/.test(name) ? filter.args : [];
  return isNode(test) && typeof test.value === 'string' ? findTest(test.value) : [];
}

/** @param own attributes that the template itself sets */
function findInCall({ callee }: Node, own: ReadonlySet<string>): string[] {
  if (!isNode(callee)) return [];
  const name = nameOf(callee);
  if (missingFunctions.includes(name)) return [`function ${name}`];
  if (callee.type !== 'MemberExpression' || callee.computed === true) return [];
  const method = nameOf(callee.property);
  if (method === '' || own.has(method)) return [];
  const probe = new Template(`{% if operand.${method} is callable %}yes{% endif %}`);
  return operands.some((operand) => probe.render({ operand }) === 'yes')
    ? []
    : [`method ${method}`];
}
