import { EngineError } from '../errors.js';
import type { ChatTool, TemplateMessage } from './chat-messages.js';
import { ChatTemplates, type RenderInput } from './chat-template.js';
import type { TokenizerFiles } from './tokenizer-files.js';

/** A habit of a chat template that keeps a conversation from hitting what its earlier turns left in the cache. */
export interface TemplateHazard {
  /**
   * - `date`: the rendered text changes with the day
   * - `history`: an earlier turn is rendered otherwise once it is not the last one
   */
  readonly kind: 'date' | 'history';
  /** One sentence with the template's name and, for `history`, the text where the two renderings part. */
  readonly message: string;
}

/** A conversation that shows one way of rewriting history. */
interface Probe {
  /** What the conversation has. */
  readonly what: string;
  readonly system?: string;
  readonly tools?: readonly ChatTool[];
  readonly reply: string;
}

const probeTool: ChatTool = {
  type: 'function',
  function: { name: 'probe', description: 'p', parameters: { type: 'object', properties: {} } },
};

/** The plainest comes first: where that fails, the others say nothing new. */
const probes: readonly Probe[] = [
  { what: 'any reply', reply: 'Yes.' },
  { what: 'a system message', system: 'Be kind.', reply: 'Yes.' },
  { what: 'tools', tools: [probeTool], reply: 'Yes.' },
  { what: 'a system message and tools', system: 'Be kind.', tools: [probeTool], reply: 'Yes.' },
  { what: 'reasoning in a reply', reply: '<think>\nHm.\n</think>\n\nYes.' },
];

const numShownChars = 24;

/** What templates ask for the date by, and what they ask here instead: a built-in name cannot be given anew. */
const dateFunction = 'strftime_now';
const watchedFunction = 'watched_strftime_now';

/**
 * Renders small conversations and says what in a template destroys prefix reuse.
 *
 * A template that refuses a conversation (no system message, no tools) is not asked further about it.
 */
export function findTemplateHazards(files: TokenizerFiles): TemplateHazard[] {
  const watched = files.templates.map(({ name, source }) => ({
    name,
    source: source.replaceAll(dateFunction, watchedFunction),
  }));
  const templates = new ChatTemplates({ ...files, templates: watched });
  const hazards: TemplateHazard[] = [];
  let asksForDate = false;
  const strftime = () => {
    asksForDate = true;
    return 'today';
  };
  for (const probe of probes) {
    const rewriting = findRewriting(templates, probe, { [watchedFunction]: strftime });
    if (rewriting === undefined) continue;
    hazards.push({ kind: 'history', message: rewriting });
    if (probe === probes[0]) break;
  }
  if (asksForDate) {
    const message = `the chat template "${templates.nameFor(false)}" inserts the date: a new day shares no prefix with the day before`;
    hazards.unshift({ kind: 'date', message });
  }
  return hazards;
}

/**
 * Compares a first turn and its reply with the beginning of the second turn. White space before the reply is
 * nothing to report: tokenizers of the kind of SentencePiece put it there while a model speaks, too.
 */
function findRewriting(
  templates: ChatTemplates,
  { what, system, tools, reply }: Probe,
  variables: RenderInput['variables'],
): string | undefined {
  const first: TemplateMessage[] = [{ role: 'user', content: 'Is it?' }];
  if (system) first.unshift({ role: 'system', content: system });
  const next: TemplateMessage[] = [
    ...first,
    { role: 'assistant', content: reply },
    { role: 'user', content: 'Really?' },
  ];
  const render = (messages: TemplateMessage[]) =>
    templates.render({ messages, tools, addGenerationPrompt: true, variables });
  try {
    const opening = render(first);
    const after = render(next);
    const isKept = after.startsWith(opening);
    if (isKept && after.slice(opening.length).trimStart().startsWith(reply)) return undefined;
    const before = opening + reply;
    const at = [...before].findIndex((char, i) => char !== after[i]);
    const shown = (text: string) => JSON.stringify(text.slice(at, at + numShownChars));
    return (
      `the chat template "${templates.nameFor(tools !== undefined)}" rewrites history with ${what}: ` +
      `a second turn reads ${shown(after)} where the first one read ${shown(before)}`
    );
  } catch (error) {
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}
