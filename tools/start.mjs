// `npm start`: asks the embedded model about a long text as several users, shows what each answer cost, and on
// a terminal takes more questions. Needs a built clone (`node tools/setup.mjs`). An argument is the seed of another text.

import { createInterface } from 'node:readline/promises';
import { EngineError, load } from '../dist/index.js';
import { generateConversation } from './recall-model/generator.mjs';

/** Long enough that prefill is what a user waits for, and short enough for the model's 4,096 tokens. */
const textTokens = 3400;
const numFacts = 40;
const numOffered = 3;
const maxAnswerTokens = 48;

const columns = [
  { title: 'user', width: 6 },
  { title: 'question', width: 44 },
  { title: 'answer', width: 22 },
  { title: '', width: 6 },
  { title: 'prompt', width: 7, isNumber: true },
  { title: 'cached', width: 7, isNumber: true },
  { title: 'computed', width: 9, isNumber: true },
  { title: 'first token', width: 12, isNumber: true },
];

/** One line of the table; a cell that is too long loses its end. */
function formatRow(cells) {
  return columns
    .map(({ width, isNumber }, i) => {
      const text = String(cells[i]);
      const cell = text.length > width ? `${text.slice(0, width - 1)}…` : text;
      return isNumber ? cell.padStart(width) : cell.padEnd(width);
    })
    .join(' ')
    .trimEnd();
}

function formatMs(ms) {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** The first and the last sentence, and some of the facts between them. */
function shorten({ sentences, facts }) {
  const places = facts.map(({ sentence }) => sentences.indexOf(sentence)).toSorted((a, b) => a - b);
  const shown = [1, 2, 3].map((part) => sentences[places[Math.floor((part * places.length) / 4)]]);
  return [sentences[0], ...shown, sentences.at(-1)].join(' … ');
}

/** Asks one question about a text, prints its line and gives the reply. */
async function ask(llm, { user, text, question, expected }) {
  const messages = [
    { role: 'system', content: text },
    { role: 'user', content: question },
  ];
  const reply = await llm.chat(messages, { maxTokens: maxAnswerTokens });
  const { promptTokens, cachedTokens, computedTokens, timings } = reply.usage;
  const verdict = expected === undefined ? '' : reply.text === expected ? 'right' : 'WRONG';
  const answer = reply.text.replaceAll('\n', ' ');
  const first = formatMs(timings.firstTokenMs);
  const cells = [
    user,
    question,
    answer,
    verdict,
    promptTokens,
    cachedTokens,
    computedTokens,
    first,
  ];
  console.log(formatRow(cells));
  return reply;
}

/** The two users of one text, and a third whose text begins with the time of day. */
async function askAsThree(llm, { system, turns }) {
  const time = new Date().toTimeString().slice(0, 5);
  const [first, second, third] = turns;
  console.log(formatRow(columns.map(({ title }) => title)));
  const ann = await ask(llm, {
    user: 'Ann',
    text: system,
    question: first.question,
    expected: first.reply,
  });
  const ben = await ask(llm, {
    user: 'Ben',
    text: system,
    question: second.question,
    expected: second.reply,
  });
  const eve = await ask(llm, {
    user: 'Eve',
    text: `The time is ${time}. ${system}`,
    question: third.question,
    expected: third.reply,
  });
  return { ann, ben, eve, time };
}

function summarize({ ann, ben, eve, time }) {
  const { cachedTokens, promptTokens, timings } = ben.usage;
  const [annMs, benMs] = [ann.usage.timings.firstTokenMs, timings.firstTokenMs];
  return [
    `Ben asked about the text that Ann had asked about: ${cachedTokens} of his ${promptTokens} prompt tokens were skipped,`,
    `and his answer began ${formatMs(annMs - benMs)} sooner (${(annMs / benMs).toFixed(1)} times as fast as Ann's).`,
    `Eve's text begins with "The time is ${time}.": every token behind the clock has another past, so only ` +
      `${eve.usage.cachedTokens} could be skipped. What changes belongs behind what stays.`,
  ].join('\n');
}

/** Takes questions until an empty line or the end of the input. */
async function takeQuestions(llm, { system, turns }) {
  const offered = turns.slice(3, 3 + numOffered);
  console.log('\nAsk more about the text; an empty line ends. These work:');
  for (const { question } of offered) console.log(`  ${question}`);
  const input = createInterface({ input: process.stdin, output: process.stdout });
  input.setPrompt('> ');
  input.prompt();
  for await (const line of input) {
    const question = line.trim();
    if (question === '') break;
    const expected = turns.find((turn) => turn.question === question)?.reply;
    await ask(llm, { user: 'you', text: system, question, expected });
    input.prompt();
  }
  input.close();
}

async function main() {
  const startedMs = performance.now();
  const llm = await load('recall');
  const { architecture, backend, isa, threads, weightsDtype } = llm.info;
  console.log(
    `Loaded the recall model in ${formatMs(performance.now() - startedMs)}: ` +
      `${architecture}, ${weightsDtype}, ${backend} (${isa}), ${threads} threads.\n`,
  );
  try {
    const conversation = generateConversation(process.argv[2] ?? 'npm start', {
      split: 'test',
      targetTokens: textTokens,
      numFacts,
      numTurns: 3 + numOffered,
      absentFraction: 0,
    });
    const { facts, sentences } = conversation.scene;
    console.log(`A text of ${sentences.length} sentences with ${facts.length} made-up facts:`);
    console.log(`${shorten(conversation.scene)}\n`);
    // What the first request of a process pays for once (fresh memory, code not yet compiled) is no prefill.
    await llm.generate('warm', { maxTokens: 2, cache: 'off' });
    console.log(summarize(await askAsThree(llm, conversation)).replace(/^/, '\n'));
    if (process.stdin.isTTY && process.stdout.isTTY) await takeQuestions(llm, conversation);
  } finally {
    await llm.close();
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof EngineError)) throw error;
  const hint = error.hint ? ` ${error.hint}` : '';
  console.error(`${error.code}: ${error.message}.${hint}`);
  process.exitCode = 1;
}
