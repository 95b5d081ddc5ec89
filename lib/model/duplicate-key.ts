/**
 * Finds a key that stands twice in one object of a JSON text.
 *
 * `JSON.parse` keeps the last of two equal keys without a word, so a header could show one tensor to
 * one reader and another to the next.
 *
 * @param json text that `JSON.parse` accepts
 * @returns the first key that repeats, unescaped; undefined when none does
 */
export function findDuplicateKey(json: string): string | undefined {
  const openObjects: Set<string>[] = [];
  for (const [token, key, colon] of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}]/g)) {
    if (token === '{') openObjects.push(new Set());
    if (token === '}') openObjects.pop();
    if (!colon) continue;

    const name: string = JSON.parse(key);
    const keys = openObjects[openObjects.length - 1];
    if (keys.has(name)) return name;
    keys.add(name);
  }
  return undefined;
}
