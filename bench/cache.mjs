// `npm run bench:cache`: what paging and sharing are for, on the recall model and this machine.
// `npm run bench:cache -- --write` also draws docs/charts/*.svg and keeps docs/charts/cache.json.

import { writeFileSync } from 'node:fs';
import { load } from '../dist/index.js';
import { drawChat, measureChat, printChat } from './cache/chat.mjs';
import { drawMemory, measureMemory, printMemory } from './cache/memory.mjs';
import { drawTrace, measureTrace, printTrace } from './cache/trace.mjs';
import { machineLine } from './machine.mjs';

const charts = new URL('../docs/charts/', import.meta.url);
const command = 'npm run bench:cache -- --write';
const numSeqs = 64;

const llm = await load('recall', { maxSeqs: numSeqs, kvCacheBytes: 1 << 30 });
const machine = `${machineLine()}, ${llm.info.isa}, ${llm.info.threads} threads`;
console.log(machine);
const chat = await measureChat(llm);
printChat(chat);
const memory = await measureMemory(llm);
printMemory(memory);
await llm.close();
const trace = measureTrace();
printTrace(trace);

if (process.argv.includes('--write')) {
  const date = new Date().toISOString().slice(0, 10);
  writeFileSync(new URL('cache-chat.svg', charts), drawChat(chat));
  writeFileSync(new URL('cache-memory.svg', charts), drawMemory(memory));
  writeFileSync(new URL('cache-trace.svg', charts), drawTrace(trace));
  const record = { machine, date, command, chat, memory, trace };
  writeFileSync(new URL('cache.json', charts), `${JSON.stringify(record, null, 2)}\n`);
}
