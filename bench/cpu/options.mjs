// What `npm run bench -- …` was asked for, checked: bad options are refused in one line each.

import { parseArgs } from 'node:util';
import { shapes } from './shapes.mjs';

const kinds = 'prefill decode streams ttft int8 int4 attention memory load'.split(' ');
const isas = ['auto', 'portable', 'avx2', 'avx512', 'avx512bf16'];

const known = {
  quick: { type: 'boolean', default: false },
  all: { type: 'boolean', default: false },
  model: { type: 'string', default: 's03' },
  threads: { type: 'string', default: '1,2' },
  isa: { type: 'string', default: 'auto' },
  only: { type: 'string', default: kinds.join(',') },
  rounds: { type: 'string' },
  'no-peer': { type: 'boolean', default: false },
  record: { type: 'boolean', default: false },
  'record-to': { type: 'string' },
};

/** An option that cannot be followed; its message is one line that names option and value. */
export class OptionError extends Error {}

const knownNames = Object.keys(known).map((name) => `--${name}`);

/** Refuses what parseArgs would accept or word differently. */
function checkToken(token, next) {
  if (token.kind === 'option-terminator') return;
  if (token.kind === 'positional') {
    throw new OptionError(`${token.value}: expected an option; known are ${knownNames.join(', ')}`);
  }
  const { name, rawName, value } = token;
  const word = value ?? (next?.kind === 'positional' ? next.value : undefined);
  const given = word === undefined ? rawName : `${rawName} ${word}`;
  if (!Object.hasOwn(known, name)) {
    throw new OptionError(`${given}: unknown option; known are ${knownNames.join(', ')}`);
  }
  const takesValue = known[name].type === 'string';
  if (takesValue && value === undefined) throw new OptionError(`${rawName}: needs a value`);
  if (!takesValue && value !== undefined) throw new OptionError(`${given}: takes no value`);
}

function listOf(name, text, allowed) {
  const list = text.split(',');
  const strange = list.find((item) => !allowed.includes(item));
  if (strange === undefined) return list;
  throw new OptionError(`--${name} ${text}: ${strange} is none of ${allowed.join(', ')}`);
}

function countsOf(name, text) {
  const counts = text.split(',').map(Number);
  if (counts.every((count) => Number.isInteger(count) && count > 0)) return counts;
  throw new OptionError(`--${name} ${text}: expected whole numbers from 1`);
}

/**
 * Reads the options of `npm run bench`.
 *
 * @param args words after `--`
 * @throws {OptionError} for an option or a value that is not known
 */
export function readOptions(args) {
  const { tokens } = parseArgs({ args, options: known, strict: false, tokens: true });
  for (const [i, token] of tokens.entries()) checkToken(token, tokens[i + 1]);
  const { values } = parseArgs({ args, options: known, allowPositionals: true });
  if (values.quick && (values.record || values['record-to'])) {
    throw new OptionError('--quick --record: a quick run shows nothing to keep');
  }
  const [numRounds, ...rest] = countsOf('rounds', values.rounds ?? (values.quick ? '1' : '5'));
  if (rest.length > 0) throw new OptionError(`--rounds ${values.rounds}: expected one number`);
  return {
    isQuick: values.quick,
    isWhole: values.all,
    hasPeer: !values['no-peer'],
    numRounds,
    models: listOf('model', values.model, Object.keys(shapes)),
    isas: listOf('isa', values.isa, isas),
    threads: countsOf('threads', values.threads),
    only: listOf('only', values.only, kinds),
    recordTo: values['record-to'] ?? (values.record ? 'bench/cpu-runs.json' : undefined),
  };
}
