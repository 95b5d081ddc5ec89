import { closeSync, openSync, renameSync, writeSync } from 'node:fs';

/** Writes buffers one after another; the file has its name once it is whole. */
export function writePieces(path, pieces) {
  const file = openSync(`${path}.part`, 'w');
  try {
    for (const piece of pieces) {
      for (let done = 0; done < piece.length; ) done += writeSync(file, piece, done);
    }
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.part`, path);
}
