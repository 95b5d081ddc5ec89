// The engine end to end on a random model of Llama-3-8B's shape, written where there is room:
//
//   node tools/gpu-bundle/end-to-end.mjs --out end-to-end.json [--rehearse]

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeRandomLlama } from '../../bench/gpu/random-llama.mjs';

const { values: options } = parseArgs({
  options: { out: { type: 'string' }, rehearse: { type: 'boolean', default: false } },
});
const neededBytes = options.rehearse ? 2 ** 24 : 17 * 2 ** 30;
const cases = options.rehearse ? '2x24+4' : '1x4096+64,8x4096+64,32x4096+64';

function freeBytes(folder) {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

const places = ['/dev/shm', tmpdir(), '.'].filter(existsSync);
const place = places.find((folder) => freeBytes(folder) > neededBytes);
if (place === undefined) {
  console.log(
    `skipped: none of ${places.join(', ')} has ${neededBytes / 2 ** 30} GiB for the model`,
  );
  process.exit(0);
}
const folder = mkdtempSync(join(place, 'random-llama-'));
try {
  const started = performance.now();
  writeRandomLlama(folder, { isRehearsal: options.rehearse });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`a random model is in ${folder}, ${seconds} s`);
  const args = ['bench/gpu/end-to-end.mjs', '--model', folder, '--cases', cases];
  const { status } = spawnSync(process.execPath, [...args, '--out', options.out], {
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true });
}
