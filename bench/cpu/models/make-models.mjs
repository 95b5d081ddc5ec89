// The same random model in both engines' formats, made once in .cache/bench-models:
//
//   node bench/cpu/models/make-models.mjs s03 [bf16|q8_0|q4_0 …]

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { shapes } from '../shapes.mjs';
import { writeGguf } from './gguf.mjs';
import { writeHuggingFaceFolder } from './safetensors.mjs';

/** Another number makes every file anew: for a change of the weights or of a writer. */
const version = 1;

const cache = fileURLToPath(new URL('../../../.cache/bench-models/', import.meta.url));
const folderOf = (model) => join(cache, `${model}-${version}`);

/** The Hugging Face folder of a model; written if it is not there. */
export function huggingFaceFolder(model) {
  const folder = join(folderOf(model), 'hf');
  if (!existsSync(join(folder, 'model.safetensors'))) {
    console.error(`writing ${folder}`);
    writeHuggingFaceFolder(folder, shapes[model]);
  }
  return folder;
}

/** The GGUF file of a model; written if it is not there. */
export function ggufFile(model, format) {
  mkdirSync(folderOf(model), { recursive: true });
  const path = join(folderOf(model), `${format}.gguf`);
  if (!existsSync(path)) {
    console.error(`writing ${path}`);
    writeGguf(path, shapes[model], format);
  }
  return path;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [model, ...formats] = process.argv.slice(2);
  if (!shapes[model]) throw new Error(`which model? ${Object.keys(shapes).join(', ')}`);
  console.log(huggingFaceFolder(model));
  for (const format of formats) console.log(ggufFile(model, format));
}
