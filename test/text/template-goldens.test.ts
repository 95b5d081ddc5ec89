// Chat templates of today's families against Python's jinja2, as transformers sets it up.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  type ChatMessage,
  type ChatTool,
  readTokenizerFiles,
  TextCore,
} from '../../lib/text/index.js';
import { writeTokenizer } from './tiny-tokenizer.js';

const folder = join(import.meta.dirname, 'templates');
const families = readdirSync(folder)
  .filter((name) => name.endsWith('.jinja'))
  .map((name) => name.replace('.jinja', ''));

interface Conversation {
  messages: ChatMessage[];
  tools: ChatTool[] | null;
  addGenerationPrompt: boolean;
  variables: Record<string, unknown>;
}
type Rendered = { text: string } | { error: string };

const golden: { conversations: Conversation[]; rendered: Record<string, Rendered[]> } = JSON.parse(
  readFileSync(join(folder, 'rendered.json'), 'utf8'),
);

/** A core whose checkpoint has this template. */
async function coreOf(template: string): Promise<TextCore> {
  const config = { bos_token: '<s>', eos_token: '</s>', chat_template: template };
  return new TextCore(await readTokenizerFiles(writeTokenizer({ config })));
}
const familyCore = (family: string) =>
  coreOf(readFileSync(join(folder, `${family}.jinja`), 'utf8'));

function render(core: TextCore, chat: Conversation, more: object = {}): Rendered {
  const { messages, tools, addGenerationPrompt, variables } = chat;
  const request = { messages, tools: tools ?? undefined, addGenerationPrompt };
  try {
    return { text: core.render({ ...request, templateVariables: variables, ...more }) };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

test('50 conversations, a third of them with tools, go through each of five templates', () => {
  expect(families).toEqual(['llama-3', 'mistral', 'phi-4-mini', 'qwen2.5', 'qwen3']);
  expect(golden.conversations).toHaveLength(50);
  expect(golden.conversations.filter(({ tools }) => tools !== null)).toHaveLength(17);
});

describe.each(families)('the template of %s', (family) => {
  test('renders each conversation as jinja2 does, or refuses it in the same words', async () => {
    const core = await familyCore(family);
    for (const [i, chat] of golden.conversations.entries()) {
      const expected = golden.rendered[family][i];
      const found = render(core, chat);
      if ('text' in expected) expect(found).toEqual(expected);
      else expect(found).toEqual({ error: expect.stringContaining(expected.error) });
    }
  });

  test('ends inside the last message where it is to be continued', async () => {
    const core = await familyCore(family);
    for (const [i, expected] of golden.rendered[`${family} continued`].entries()) {
      const chat = golden.conversations[i];
      const lastUser = chat.messages.findLastIndex(({ role }) => role === 'user');
      const messages: ChatMessage[] = [
        ...chat.messages.slice(0, lastUser + 1),
        { role: 'assistant', content: 'The answer is ' },
      ];
      const options = { addGenerationPrompt: undefined, continueFinalMessage: true };
      const found = render(core, { ...chat, messages }, options);
      if ('text' in expected) expect(found).toEqual(expected);
      else expect(found).toEqual({ error: expect.stringContaining(expected.error) });
    }
  });
});

describe('a template', () => {
  test.each([
    'include "a"',
    'extends "a"',
    'import "a" as a',
    'with a = 1',
    'raw',
    'block a',
    'autoescape true',
    'do a',
  ])('with the statement {%% %s %%} is refused at load, by name', async (statement) => {
    const [name] = statement.split(' ');
    await expect(coreOf(`a {% ${statement} %} b`)).rejects.toMatchObject({
      code: 'ERR_TEMPLATE',
      message: `the chat template "default" does not parse: Unknown statement type: ${name}`,
    });
  });

  test.each([
    ['{{ x | batch(2) | list }}', 'filter batch'],
    ['{{ messages | map("upper") | join }}', 'filter map'],
    ['{% filter wordwrap %}a{% endfilter %}', 'filter wordwrap'],
    ['{% if x is divisibleby %}a{% endif %}', 'test divisibleby'],
    ['{{ messages | selectattr("role", "in", "user") | list }}', 'test in'],
    ['{% set sep = joiner(", ") %}{{ sep() }}', 'function joiner'],
    ['{% for m in messages %}{{ m.content.format(1) }}{% endfor %}', 'method format'],
    ['{{ x.zfill(2) ~ ("a" | center) ~ x.zfill(3) }}', 'method zfill, filter center'],
    ['{% macro m(a) %}{{ a | title | ljust }}{% endmacro %}', 'filter ljust'],
  ])('with %s is refused at load, by name', async (source, names) => {
    await expect(coreOf(source)).rejects.toMatchObject({
      code: 'ERR_TEMPLATE',
      message: `the chat template "default" needs what is not supported: ${names}`,
      hint: expect.stringContaining('chat_template.jinja'),
    });
  });

  test('may have whatever some value has, and what it makes itself', async () => {
    const source =
      '{% set ns = namespace(n=0) %}{% macro add(a) %}{{ a | default("-") }}{% endmacro %}' +
      '{% set ns.add = add %}{{ ns.add(messages[0].content.strip() | upper) }}' +
      '{{ messages | selectattr("role", "equalto", "user") | map(attribute="content") | join("+") }}' +
      '{% if strftime_now is defined %}{{ messages[0].items() | list | length }}{% endif %}';
    const core = await coreOf(source);
    expect(core.render({ messages: [{ role: 'user', content: ' Hi' }] })).toBe('HI Hi2');
  });

  test('that chats never use may have any statement', async () => {
    const chat_template = [
      { name: 'default', template: '{{ messages[0].content }}' },
      { name: 'rag', template: '{% include "documents" %}' },
    ];
    const files = await readTokenizerFiles(writeTokenizer({ config: { chat_template } }));
    expect(new TextCore(files).render({ messages: [{ role: 'user', content: 'Hi' }] })).toBe('Hi');
  });
});

describe('tools', () => {
  const core = coreOf('{{ tools | tojson }}');
  const tool = (name: string, properties: object): ChatTool => ({
    type: 'function',
    function: { name, parameters: { type: 'object', properties } },
  });
  const tools = [tool('b', { z: { type: 'string', minLength: 1 }, a: {} }), tool('a', {})];
  const messages: ChatMessage[] = [{ role: 'user', content: 'x' }];

  test('keep the order of the caller, and that of their keys', async () => {
    const text = (await core).render({ messages, tools });
    expect(JSON.parse(text)).toEqual(tools);
    expect(text.replaceAll(/(?<=[,:]) /g, '')).toBe(JSON.stringify(tools));
  });

  test('are sorted by name, and by key at every depth, when they are to be canonical', async () => {
    const one = (await core).render({ messages, tools, canonicalTools: true });
    const shuffled = [
      { function: { parameters: { properties: {}, type: 'object' }, name: 'a' }, type: 'function' },
      {
        function: {
          parameters: {
            properties: { a: {}, z: { minLength: 1, type: 'string' } },
            type: 'object',
          },
          name: 'b',
        },
        type: 'function',
      },
    ] as ChatTool[];
    expect((await core).render({ messages, tools: shuffled, canonicalTools: true })).toBe(one);
    expect((await core).render({ messages, tools: shuffled })).not.toBe(one);
    expect(one).toMatch(
      /^\[\{"function": \{"name": "a".*"name": "b".*\{"a": \{\}, "z": \{"minLength": 1, "type"/,
    );
  });
});

describe('a chat that goes on inside its last message', () => {
  const messages: ChatMessage[] = [
    { role: 'user', content: 'Where?' },
    { role: 'assistant', content: 'In <|end|> Lis' },
  ];

  test('ends with the tokens of that message, and of no special token that it spells', async () => {
    const core = await familyCore('qwen2.5');
    const { tokens } = await core.tokenizeChat({ messages, continueFinalMessage: true });
    const [text] = await core.decodeBatch([[...tokens]]);
    expect(text.endsWith('<|im_start|>assistant\nIn <|end|> Lis')).toBe(true);
  });

  test.each([{ addGenerationPrompt: true }, { isContinuation: true }])(
    'is refused with %j',
    async (options) => {
      const core = await familyCore('qwen2.5');
      const request = { messages, continueFinalMessage: true, ...options };
      expect(() => core.render(request)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'continueFinalMessage' }),
      );
    },
  );

  test('is refused where the template leaves that message out', async () => {
    const core = await coreOf('{{ messages[0].content }}');
    expect(() => core.render({ messages, continueFinalMessage: true })).toThrow(
      expect.objectContaining({ code: 'ERR_TEMPLATE' }),
    );
  });
});

describe('what destroys prefix reuse', () => {
  const hazardsOf = async (core: Promise<TextCore>) =>
    (await core).findHazards().map(({ kind, message }) => `${kind}: ${message}`);

  test('is nothing in the templates of Qwen 2.5 and Phi', async () => {
    expect(await hazardsOf(familyCore('qwen2.5'))).toEqual([]);
    expect(await hazardsOf(familyCore('phi-4-mini'))).toEqual([]);
  });

  test('is the date in that of Llama 3.2', async () => {
    expect(await hazardsOf(familyCore('llama-3'))).toEqual([
      'date: the chat template "default" inserts the date: a new day shares no prefix with the day before',
    ]);
  });

  test('is reasoning that Qwen 3 takes out of earlier replies', async () => {
    expect(await hazardsOf(familyCore('qwen3'))).toEqual([
      expect.stringMatching(
        /^history: .* rewrites history with reasoning in a reply: a second turn reads "Yes/,
      ),
    ]);
  });

  test('is what Mistral puts before the last user message', async () => {
    const hazards = await hazardsOf(familyCore('mistral'));
    expect(hazards.map((hazard) => /history with (.*):/.exec(hazard)?.[1])).toEqual([
      'a system message',
      'tools',
      'a system message and tools',
    ]);
  });
});
