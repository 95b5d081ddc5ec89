// A checkpoint whose safetensors header lies about its length is refused before anything is loaded.
import { cpSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load } from 'paged-attention';

const recall = fileURLToPath(new URL('../../models/recall', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'corrupt-'));
cpSync(recall, folder, { recursive: true });
const headerLength = Buffer.alloc(8);
headerLength.writeBigUInt64LE(2n ** 40n);
writeSync(openSync(join(folder, 'model.safetensors'), 'r+'), headerLength, 0, 8, 0);

try {
  await load(folder);
} catch (error) {
  console.log(error.code, error.message.replace(folder, '<folder>'));
} finally {
  rmSync(folder, { recursive: true });
}
