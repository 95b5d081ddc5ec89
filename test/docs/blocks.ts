import { readFileSync } from 'node:fs';

/** One fenced block of a page: what it runs, and the `text` block right below it, if any. */
export interface Block {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  readonly body: string;
  readonly expected: readonly string[];
}

/** Every fenced block of a Markdown page, in order. */
export function blocksOf(page: string): Block[] {
  const markdown = readFileSync(page, 'utf8');
  const fences = [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];
  return fences.map((fence, i) => {
    const next = fences[i + 1];
    const between = next && markdown.slice(fence.index + fence[0].length, next.index);
    const isShownOutput = next?.[1] === 'text' && between.trim() === '';
    return {
      page,
      line: markdown.slice(0, fence.index).split('\n').length,
      language: fence[1],
      body: fence[2],
      expected: isShownOutput ? next[2].trimEnd().split('\n') : [],
    };
  });
}

/**
 * Whether a shown line stands in the output. `<n>` in a shown line is any number: a time or a
 * size that differs from run to run.
 */
export function showsLine(output: string, line: string): boolean {
  const escaped = line.trim().replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const pattern = new RegExp(escaped.replace(/<n>/g, '[0-9][0-9.,]*').replace(/\s+/g, '\\s+'));
  return pattern.test(output);
}
