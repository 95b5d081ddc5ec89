import { readFileSync } from 'node:fs';
import { Template } from '@huggingface/jinja';
import { Tokenizer } from 'tokenizers';
import { encodeConversation, PieceEncoder } from '../../tools/recall-model/encoding.mjs';
import {
  type Conversation,
  generateConversation,
  generateQuestions,
  generateRemoved,
  messagesOf,
  notStated,
  splitOf,
} from '../../tools/recall-model/generator.mjs';
import { drawRow } from '../../tools/recall-model/make-rows.mjs';
import { Random } from '../../tools/recall-model/random.mjs';

const folder = new URL('../../models/recall/', import.meta.url);
const readText = (name: string) => readFileSync(new URL(name, folder), 'utf8');
const tokenizer = Tokenizer.fromString(readText('tokenizer.json'));
const template = new Template(JSON.parse(readText('tokenizer_config.json')).chat_template);
const encoder = new PieceEncoder();

async function idsOf(text: string): Promise<number[]> {
  return (await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds();
}

function render(context: Record<string, unknown>): string {
  return template.render({ add_generation_prompt: false, ...context });
}

/** Every string in a row that the split decides on: names, places and codes. */
function splitStrings({ scene, turns }: Conversation): string[] {
  const open = new Set(['vault', 'badge', 'home', 'birthplace', 'friend']);
  const values = scene.facts.flatMap(({ kind, value }) => (open.has(kind) ? [value] : []));
  const asked = turns.map(({ question }) => question.match(/ ([A-Z][a-z]+)/)?.[1] ?? '');
  return [...scene.facts.map(({ name }) => name), ...values, ...asked.filter(Boolean)].filter(
    (text) => text !== 'Answer' && text !== 'Reply',
  );
}

function drawRows(split: 'train' | 'test', count: number): Conversation[] {
  const random = new Random(`rows of ${split}`);
  return Array.from({ length: count }, () => drawRow(random, split, 512, 1));
}

describe('the generator', () => {
  test('gives the same questions for the same seed and others for another', () => {
    const options = { split: 'test', count: 20, seed: 7 } as const;
    expect(generateQuestions(options)).toEqual(generateQuestions(options));
    expect(generateQuestions({ ...options, seed: 8 })).not.toEqual(generateQuestions(options));
  });

  test('keeps names, places, codes and pairings of the test split out of training', () => {
    const train = drawRows('train', 2000).flatMap(splitStrings);
    const test = drawRows('test', 500).flatMap(splitStrings);
    expect(train.filter((text) => splitOf(text) !== 'train')).toEqual([]);
    expect(test.filter((text) => splitOf(text) !== 'test')).toEqual([]);
    const trained = new Set(train);
    expect(trained.size).toBeGreaterThan(5000);
    expect(test.filter((text) => trained.has(text))).toEqual([]);
  });

  test('keeps the names and places that the docs use in training', () => {
    for (const text of ['Amber', 'Omar', 'Lisbon']) expect(splitOf(text)).toBe('train');
  });

  test('makes prompts of 200 to 4,096 tokens with at most 64 facts anywhere in them', async () => {
    const questions = generateQuestions({ split: 'test', count: 200, seed: 'lengths' });
    const lengths: number[] = [];
    for (const { messages, expected } of questions) {
      lengths.push((await idsOf(render({ messages }) + expected)).length + 1);
    }
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(200);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(4096);
    expect(Math.max(...lengths)).toBeGreaterThan(3800);
    expect(Math.max(...questions.map(({ numFacts }) => numFacts))).toBeLessThanOrEqual(64);
    const places = questions.map(({ sentenceIndex, sentences }) =>
      Math.floor((10 * sentenceIndex) / sentences.length),
    );
    expect(new Set(places).size).toBe(10);
  });

  test('states the asked fact once, and not at all where it is removed', () => {
    const options = { split: 'test', count: 100, seed: 'removed' } as const;
    const removed = generateRemoved(options);
    for (const [index, question] of generateQuestions(options).entries()) {
      const { fact, messages, sentences } = question;
      expect(sentences.filter((sentence) => sentence === fact.sentence)).toHaveLength(1);
      expect(question.expected).toBe(fact.value);
      expect(removed[index].messages[0].content).not.toContain(fact.sentence);
      expect(removed[index].messages[1]).toEqual(messages[1]);
      expect(removed[index].expected).toBe(notStated);
    }
  });
});

describe('the tokenizer', () => {
  test('gives a name and a code the same ids wherever they stand', async () => {
    for (const text of ['Amber', 'Selthas', 'Ashborough', '4217']) {
      const alone = await idsOf(text);
      for (const prefix of ['of ', '"', '<|assistant|>', '\n']) {
        expect((await idsOf(prefix + text)).slice(-alone.length)).toEqual(alone);
      }
    }
  });

  test('gives back the text it was given', async () => {
    const text = 'Zoë owns a red lamp; {"answer": "4217"}\n';
    expect(await tokenizer.decode(await idsOf(text), false)).toBe(text);
  });
});

describe('the rows of training', () => {
  test('are what the chat template and the tokenizer make of the conversation', async () => {
    for (const conversation of drawRows('train', 150)) {
      const { turns, tools } = conversation;
      const text = render({ messages: messagesOf(conversation, turns.length), tools });
      const { ids } = encodeConversation(encoder, conversation, Number.POSITIVE_INFINITY);
      expect(ids).toEqual(await idsOf(text));
    }
  });
});

describe('the chat template', () => {
  const options = { split: 'test', targetTokens: 300, numFacts: 8, numTurns: 2 } as const;

  test.each(['plain', 'json', 'lookup', 'answer'] as const)(
    'makes the first prompt and its %s reply the beginning of the next prompt',
    async (format) => {
      const conversation = generateConversation(format, { ...options, format, absentFraction: 0 });
      const { tools } = conversation;
      const messages = messagesOf(conversation, 2);
      const first = messages.slice(0, -3);
      const next = messages.slice(0, -1);
      const prompt = render({ messages: first, tools, add_generation_prompt: true });
      const generated = [...(await idsOf(prompt)), ...(await idsOf(conversation.turns[0].reply))];
      const second = await idsOf(render({ messages: next, tools, add_generation_prompt: true }));
      expect(second.slice(0, generated.length)).toEqual(generated);
    },
  );

  test('renders a structured tool call as the text that the model generated', () => {
    const call = { name: 'lookup', arguments: { attribute: 'home', name: 'Omar' } };
    const text =
      '<tool_call>\n{"name": "lookup", "arguments": {"attribute": "home", "name": "Omar"}}\n</tool_call>';
    const user = { role: 'user', content: 'Where does Omar live?' };
    const rendered = render({ messages: [user, { role: 'assistant', content: text }] });
    const asString = { name: 'lookup', arguments: JSON.stringify(call.arguments) };
    for (const content of ['', null]) {
      const assistant = { role: 'assistant', content, tool_calls: [{ function: call }] };
      expect(render({ messages: [user, assistant] })).toBe(rendered);
    }
    const assistant = { role: 'assistant', tool_calls: [{ function: asString }] };
    expect(render({ messages: [user, assistant] })).toContain('"arguments": {"attribute":"home"');
  });

  test('renders a conversation without a system message, and one with a tool result', () => {
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'tool', content: '4217' },
    ];
    expect(render({ messages, add_generation_prompt: true })).toBe(
      '<|begin|><|user|>Hi<|end|><|tool|>4217<|end|><|assistant|>',
    );
  });
});
