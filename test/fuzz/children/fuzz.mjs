// Loads mutations of one kind of file: `node fuzz.mjs <kind> <folder> <count> <seed>`. The folder has the whole files.
// Prints one line of JSON: how many were refused, what was thrown that is no typed error, how much memory it took.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Device } from '../../../dist/device/index.js';
import { EngineError } from '../../../dist/index.js';
import { loadModel } from '../../../dist/model/index.js';
import { TextCore } from '../../../dist/text/text-core.js';
import { readTokenizerFiles } from '../../../dist/text/tokenizer-files.js';
import { mutateBytes, mutateJson, Random } from './mutation.mjs';

const [kind, folder, count, seed] = process.argv.slice(2);
const random = new Random(Number(seed));
const device = Device.open({ backend: 'cpu', threads: 1 });

const file = (name) => join(folder, name);
const read = (name) => readFileSync(file(name));

async function load(path) {
  const model = await loadModel(device, path, { contextLen: 16 });
  model.free();
}

async function tokenize(path) {
  const core = new TextCore(await readTokenizerFiles(path));
  const ids = await core.encode('Omar lives in <|end|> Lisbon, 東京.', true);
  await core.decodeBatch([[...ids]]);
  await core.tokenizeChat({ messages: [{ role: 'user', content: 'a <|end|> b' }] });
}

const jsonKind = (name, run) => {
  const bytes = read(name);
  const value = JSON.parse(bytes);
  return {
    next: () => (random.below(2) ? mutateBytes(random, bytes) : mutateJson(random, value)),
    write: (mutation) => writeFileSync(file(name), mutation),
    run: () => run(folder),
    numBytes: bytes.length,
  };
};

function safetensorsKind() {
  const bytes = read('model.safetensors');
  const headerEnd = 8 + Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, headerEnd));
  const rebuilt = () => {
    const text = Buffer.from(mutateJson(random, header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, text, bytes.subarray(headerEnd)]);
  };
  return {
    next: () => (random.below(2) ? mutateBytes(random, bytes, headerEnd) : rebuilt()),
    write: (mutation) => writeFileSync(file('model.safetensors'), mutation),
    run: () => load(folder),
    numBytes: bytes.length,
  };
}

function ggufKind() {
  const bytes = read('model.gguf');
  const headerBytes = Number(read('gguf-header-bytes'));
  return {
    next: () => mutateBytes(random, bytes, headerBytes),
    write: (mutation) => writeFileSync(file('model.gguf'), mutation),
    run: async () => {
      const results = await Promise.allSettled([
        load(file('model.gguf')),
        tokenize(file('model.gguf')),
      ]);
      const failures = results.flatMap(({ reason }) => (reason ? [reason] : []));
      throw failures.find((reason) => !(reason instanceof EngineError)) ?? failures[0] ?? accepted;
    },
    numBytes: bytes.length,
  };
}

/** Thrown where all went well, so that both halves of a GGUF file are always tried. */
const accepted = new EngineError('ERR_NATIVE', 'accepted');

const kinds = {
  safetensors: safetensorsKind,
  gguf: ggufKind,
  config: () => jsonKind('config.json', load),
  tokenizer: () => jsonKind('tokenizer.json', tokenize),
};

/** Runs one mutation; gives its error, or undefined. */
async function attempt({ write, run }, mutation) {
  write(mutation);
  try {
    await run();
    return undefined;
  } catch (error) {
    return error === accepted ? undefined : error;
  }
}

const subject = kinds[kind]();
const whole = readFileSync(
  file(
    {
      safetensors: 'model.safetensors',
      gguf: 'model.gguf',
      config: 'config.json',
      tokenizer: 'tokenizer.json',
    }[kind],
  ),
);
for (let i = 0; i < 30; i++) {
  const error = await attempt(subject, whole);
  if (error) throw error;
}
const before = process.resourceUsage().maxRSS;
const codes = {};
const untyped = [];
let slowestMs = 0;
for (let i = 0; i < Number(count); i++) {
  const mutation = subject.next();
  const started = performance.now();
  const error = await attempt(subject, mutation);
  slowestMs = Math.max(slowestMs, performance.now() - started);
  if (error instanceof EngineError) codes[error.code] = (codes[error.code] ?? 0) + 1;
  else if (error) untyped.push(`case ${i}: ${error?.stack ?? error}`.slice(0, 600));
}
const grownBytes = (process.resourceUsage().maxRSS - before) * 1024;
const { bytesAllocated } = device.counters();
await device.close();
const { numBytes } = subject;
const result = { codes, numUntyped: untyped.length, untyped: untyped.slice(0, 8) };
process.stdout.write(
  JSON.stringify({ ...result, slowestMs, grownBytes, bytesAllocated, numBytes }),
);
