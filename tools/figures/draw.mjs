// `npm run docs:figures`: draws the figures of docs/concepts.md from a real allocator and cache. An argument is another folder.

import { mkdirSync, writeFileSync } from 'node:fs';
import { drawEviction, drawHashing, drawPaging, drawSharing } from './figures.mjs';

const folder = process.argv[2] ?? 'docs/figures';
const figures = {
  paging: drawPaging,
  hashing: drawHashing,
  sharing: drawSharing,
  eviction: drawEviction,
};

mkdirSync(folder, { recursive: true });
for (const [name, draw] of Object.entries(figures)) writeFileSync(`${folder}/${name}.svg`, draw());
