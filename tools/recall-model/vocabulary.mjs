/** Prints the pieces that the tokenizer is trained on, one JSON string a line. */
import { jsonRequests, notStated, tools } from './dialogue.mjs';
import { colours, factKinds, jobs, objects } from './facts.mjs';
import { drawClockLine } from './generator.mjs';
import { knownNames, knownPlaces, nameHeads, nameTails, placeHeads, placeTails } from './names.mjs';
import { proseWords } from './prose.mjs';
import { Random } from './random.mjs';

// Written after the tokenizer was trained; counting it would renumber the committed vocabulary.
const newestStatement = '{name} has the best friend {value}.';
const wordings = Object.values(factKinds).flatMap(({ attribute, statements, questions }) => [
  attribute,
  ` ${attribute}`,
  ...statements.filter((text) => text !== newestStatement),
  ...questions,
]);
// Words that a text may hold beside those of today's wordings.
const furtherWordings = [
  '{name} opens the vault with the code {value}.',
  '{name} wears the badge with the number {value}.',
  '{name} has a home in {value}.',
  'The town where {name} was born is {value}.',
  '{name} has reached the age of {value}.',
  '{name} has a job as a {value}.',
  '{name} has as a treasure a {value}.',
  '{name} has for a best friend {value}.',
  '{name} has a best friend called {value}.',
];
const replies = ['{"answer": "', '"}', `{"answer": "${notStated}"}`, notStated, '"}}\n'].concat(
  Object.values(tools).flatMap(({ function: { name, parameters } }) => [
    `{"name": "${name}", "arguments": {`,
    ...Object.keys(parameters.properties).map((key) => `"${key}": "`),
    '", "',
    `${name}(${Object.keys(parameters.properties).join(', ')})`,
  ]),
);
// A piece counts the same with and without a space in front where answers begin with it.
const values = [...jobs, ...colours, ...objects].flatMap((word) => [word, ` ${word}`]);
const prose = proseWords
  .flatMap((text) => text.replace(/\{\w+\}/g, '').split(/(?= )/))
  .flatMap((word) => [` ${word.trim()}`]);
const names = [...nameHeads, ...nameTails, ...placeHeads, ...placeTails];
const pieces = [
  ...Array(8)
    .fill([...names, ...values, ...wordings, ...furtherWordings, ...replies])
    .flat(),
  ...Array(4).fill(prose).flat(),
  ...Array(3)
    .fill([...knownNames, ...knownPlaces, ...jsonRequests])
    .flat(),
  ...Array(8).fill(drawClockLine(new Random('clock'))),
].map((piece) => piece.replace(/\{(?:name|value)\}/g, ''));
console.log(pieces.map((piece) => JSON.stringify(piece)).join('\n'));
