// What a test file calls while it is loaded: describe, test and the hooks, as jest names them. They
// build a tree of suites, which run-suite.mjs then runs.

import { format, inspect } from 'node:util';

/**
 * @typedef {object} Suite
 * @property {string} title
 * @property {boolean} isSkipped
 * @property {(Suite | Test)[]} children in the order of the file
 * @property {Record<'beforeAll' | 'afterAll' | 'beforeEach' | 'afterEach', Function[]>} hooks
 *
 * @typedef {object} Test
 * @property {string} title
 * @property {boolean} isSkipped
 * @property {() => unknown} body
 * @property {number | undefined} timeoutMs
 */

function makeSuite(title, isSkipped) {
  const hooks = { beforeAll: [], afterAll: [], beforeEach: [], afterEach: [] };
  return { title, isSkipped, children: [], hooks };
}

/** A row of `each` as the arguments of its body. */
function argumentsOf(row) {
  return Array.isArray(row) ? row : [row];
}

/**
 * A title of `each` with a row's values: `$name` and `$a.b` are fields of the row, `$#` and `%#` its
 * number, `%s %i %d %j` its values in order, `%p` a value as code.
 */
export function titleOf(title, row, index) {
  let text = title.replaceAll(/[$%]#/g, String(index));
  if (row !== null && typeof row === 'object' && !Array.isArray(row)) {
    text = text.replaceAll(/\$([\w.]+)/g, (whole, path) => {
      const value = path.split('.').reduce((part, key) => part?.[key], row);
      if (value === undefined) return whole;
      return typeof value === 'string' ? value : inspect(value);
    });
  }
  const values = argumentsOf(row);
  let next = 0;
  return text.replaceAll(/%([sdijop%])/g, (whole, kind) => {
    if (kind === '%') return '%';
    if (next >= values.length) return whole;
    const value = values[next++];
    return kind === 'p' || kind === 'o' ? inspect(value) : format(`%${kind}`, value);
  });
}

/** Adds `each` to a function of (title, body, timeout). */
function withEach(define) {
  define.each = (rows) => (title, body, timeoutMs) => {
    Array.from(rows).forEach((row, i) => {
      define(titleOf(title, row, i), () => body(...argumentsOf(row)), timeoutMs);
    });
  };
  return define;
}

/**
 * Makes the globals of one test file.
 *
 * @returns {{ globals: Record<string, any>, root: Suite }} `root` fills while the file is loaded with
 *   `globals` in place
 */
export function makeCollector() {
  const root = makeSuite('', false);
  let current = root;
  const defineSuite = (isSkipped) => (title, body) => {
    const suite = makeSuite(title, isSkipped || current.isSkipped);
    current.children.push(suite);
    const parent = current;
    current = suite;
    body();
    current = parent;
  };
  const defineTest = (isSkipped) => (title, body, timeoutMs) => {
    const isTestSkipped = isSkipped || current.isSkipped;
    current.children.push({ title, isSkipped: isTestSkipped, body, timeoutMs });
  };
  const describe = withEach(defineSuite(false));
  describe.skip = withEach(defineSuite(true));
  const test = withEach(defineTest(false));
  test.skip = withEach(defineTest(true));
  test.todo = (title) => defineTest(true)(title);
  const hook = (kind) => (body) => current.hooks[kind].push(body);
  const hooks = Object.fromEntries(Object.keys(root.hooks).map((kind) => [kind, hook(kind)]));
  return { root, globals: { describe, test, it: test, ...hooks } };
}
