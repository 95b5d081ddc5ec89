import type { ChatTool, TemplateMessage } from './chat-messages.js';

/** Where a part of a request lies in its tokens: `[start, end)`, tokens that it shares with its neighbours included. */
export interface Section {
  readonly kind: 'tools' | 'message';
  /** Of the message; 0 for tools. */
  readonly index: number;
  readonly start: number;
  readonly end: number;
}

/** Where a part lies in the rendered text, in UTF-16 units. */
interface TextRange {
  readonly kind: Section['kind'];
  readonly index: number;
  readonly start: number;
  readonly end: number;
}

/** Private-use code points outside the basic plane: one per mark, so that order and loss can be seen. */
const firstMark = 0xf0000;
const maxMarks = 0xfffd;

/**
 * Finds where each message and the tools lie in a rendered text.
 *
 * The first and the last character of each part that are not white space are replaced by marks, everything is
 * rendered again, and the marks are looked up. Parts that a template left out have no section; when the
 * two renderings differ in more than the marks, there are none at all.
 *
 * @param text what `render` gives for the same parts without marks
 */
export function findSections(
  messages: readonly TemplateMessage[],
  tools: readonly ChatTool[] | undefined,
  text: string,
  render: (messages: TemplateMessage[], tools: ChatTool[] | undefined) => string,
): TextRange[] {
  const marks = new Marks();
  const markedTools = tools && markTools(tools, marks);
  const markedMessages = messages.map((message, index) => ({
    ...message,
    content: marks.put(message.content, 'message', index),
  }));
  const marked = render(markedMessages, markedTools);
  return marks.locate(marked, text);
}

/** Marks the first tool's name and the last text of the last tool. */
function markTools(tools: readonly ChatTool[], marks: Marks): ChatTool[] {
  if (tools.length === 0) return [];
  const copy: ChatTool[] = structuredClone([...tools]);
  const functions: (Leaf & { name: string })[] = copy.map((tool) => tool.function);
  const [first] = functions;
  const last = lastText(functions[functions.length - 1]);
  if (last && last.node !== first) {
    first.name = marks.putStart(first.name, 'tools', 0);
    last.node[last.key] = marks.putEnd(String(last.node[last.key]), 'tools', 0);
  }
  return copy;
}

type Leaf = Record<string, unknown>;

/** The last text in plain data, leaving out `type`, which templates compare. */
function lastText(node: Leaf): { node: Leaf; key: string } | undefined {
  for (const key of Object.keys(node).reverse()) {
    const value = node[key];
    if (typeof value === 'string' && value.trim() && key !== 'type') return { node, key };
    if (typeof value === 'object' && value !== null) {
      const found = lastText(value as Leaf);
      if (found) return found;
    }
  }
  return undefined;
}

interface Mark {
  readonly kind: Section['kind'];
  readonly index: number;
  readonly isEnd: boolean;
  /** The character that the mark stands for. */
  readonly char: string;
}

/** The marks of one rendering. */
class Marks {
  readonly #marks: Mark[] = [];

  put(text: string, kind: Section['kind'], index: number): string {
    if (text.trim().length < 2) return text;
    return this.putEnd(this.putStart(text, kind, index), kind, index);
  }

  putStart(text: string, kind: Section['kind'], index: number): string {
    return this.#replace(text, text.length - text.trimStart().length, {
      kind,
      index,
      isEnd: false,
    });
  }

  putEnd(text: string, kind: Section['kind'], index: number): string {
    return this.#replace(text, text.trimEnd().length - 1, { kind, index, isEnd: true });
  }

  #replace(text: string, at: number, mark: Omit<Mark, 'char'>): string {
    if (this.#marks.length >= maxMarks) return text;
    const sign = String.fromCodePoint(firstMark + this.#marks.length);
    this.#marks.push({ ...mark, char: text[at] });
    return text.slice(0, at) + sign + text.slice(at + 1);
  }

  /** Takes the marks out again; `[]` when what remains is not `text`. */
  locate(marked: string, text: string): TextRange[] {
    const starts = new Map<string, number>();
    const ranges: TextRange[] = [];
    let plain = '';
    let done = 0;
    for (const match of marked.matchAll(/[\u{f0000}-\u{ffffd}]/gu)) {
      const mark = this.#marks[match[0].codePointAt(0)! - firstMark];
      if (!mark) continue;
      plain += marked.slice(done, match.index) + mark.char;
      done = match.index + match[0].length;
      const { kind, index } = mark;
      const start = starts.get(`${kind}${index}`);
      if (!mark.isEnd && start === undefined) starts.set(`${kind}${index}`, plain.length - 1);
      if (mark.isEnd && start !== undefined) ranges.push({ kind, index, start, end: plain.length });
    }
    return plain + marked.slice(done) === text ? ranges : [];
  }
}

/**
 * Turns ranges of a text into ranges of its tokens.
 *
 * @param offsets per token its `[start, end)` in code points of the text, ascending
 */
export function tokenSections(
  ranges: readonly TextRange[],
  text: string,
  offsets: readonly (readonly number[])[],
): Section[] {
  const codePoints = codePointCounter(text);
  const points = ranges.flatMap(({ start, end }) => [start, end]).sort((a, b) => a - b);
  const toPoint = new Map(points.map((unit) => [unit, codePoints(unit)]));
  return ranges.map(({ kind, index, start, end }) => ({
    kind,
    index,
    start: countUntil(offsets, (offset) => offset[1] > toPoint.get(start)!),
    end: countUntil(offsets, (offset) => offset[0] >= toPoint.get(end)!),
  }));
}

/** Counts code points up to UTF-16 positions that only grow. */
function codePointCounter(text: string): (unit: number) => number {
  let at = 0;
  let count = 0;
  return (unit) => {
    while (at < unit) {
      at += text.codePointAt(at)! > 0xffff ? 2 : 1;
      count++;
    }
    return count;
  };
}

/** Leading tokens for which a condition that once true stays true is false. */
function countUntil(
  offsets: readonly (readonly number[])[],
  isPast: (offset: readonly number[]) => boolean,
): number {
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isPast(offsets[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}
