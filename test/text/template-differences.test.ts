// The table of differences in docs/models.md: what it says of this engine is so. What it says of jinja2
// was printed by it: tools/golden/make_template_goldens.py sets it up.
import { readFileSync } from 'node:fs';
import { Template } from '@huggingface/jinja';

const page = readFileSync('docs/models.md', 'utf8');
const table = page.slice(page.indexOf('| template | data | jinja2 | here |'));
const rows = table
  .slice(0, table.indexOf('\n\n'))
  .split('\n')
  .slice(2)
  .map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map(textOf),
  );

/** What a cell shows: code without its quotes, escaped bars as bars. */
function textOf(cell: string): string {
  const [, code] = /^ `+([^`]*)`+ $/.exec(cell) ?? [];
  return (code ?? cell.trim()).replaceAll('\\|', '|');
}

function rendered(template: string, data: string): string {
  try {
    return new Template(template).render({ x: JSON.parse(data) });
  } catch (error) {
    return `error: ${(error as Error).message}`;
  }
}

test('there are differences to show', () => {
  expect(rows.length).toBeGreaterThanOrEqual(12);
});

test.each(rows)(
  '%s of %s, which jinja2 renders as %s, is %s here',
  (template, data, other, here) => {
    const found = rendered(template, data);
    if (here.startsWith('error: ')) expect(found).toContain(here);
    else expect(found).toBe(here);
    expect(other).not.toBe(here);
  },
);
