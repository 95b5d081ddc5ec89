import { readFileSync } from 'node:fs';

/** A tensor as GGUF describes it; dims innermost first. */
export interface GgufTensor {
  readonly dims: number[];
  readonly type: number;
  readonly data: Buffer;
}

const bytesPerGroup: Record<number, number> = { 0: 128, 2: 18, 8: 34, 30: 64 };

/** A GGUF 3 file, read by the format's description and by nothing that wrote it. */
export function readGguf(path: string) {
  const file = readFileSync(path);
  let at = 0;
  const take = (length: number) => {
    at += length;
    return file.subarray(at - length, at);
  };
  const u32 = () => take(4).readUInt32LE();
  const u64 = () => Number(take(8).readBigUInt64LE());
  const text = () => take(u64()).toString('utf8');
  const readers: Record<number, () => unknown> = {
    4: u32,
    5: () => take(4).readInt32LE(),
    6: () => take(4).readFloatLE(),
    7: () => take(1)[0] === 1,
    8: text,
    9: () => {
      const read = readers[u32()];
      return Array.from({ length: u64() }, () => read());
    },
  };
  const magic = take(4).toString('latin1');
  const version = u32();
  const numTensors = u64();
  const numFields = u64();
  const fields = new Map<string, unknown>();
  for (let i = 0; i < numFields; i++) {
    const name = text();
    fields.set(name, readers[u32()]());
  }
  const infos = Array.from({ length: numTensors }, () => {
    const name = text();
    const dims = Array.from({ length: u32() }, u64);
    return { name, dims, type: u32(), offset: u64() };
  });
  const dataStart = Math.ceil(at / 32) * 32;
  const tensors = new Map<string, GgufTensor>();
  let dataEnd = dataStart;
  for (const { name, dims, type, offset } of infos) {
    const numGroups = dims.reduce((product, dim) => product * dim, 1) / 32;
    const start = dataStart + offset;
    const data = file.subarray(start, start + numGroups * bytesPerGroup[type]);
    dataEnd = start + data.length;
    tensors.set(name, { dims, type, data });
  }
  return { magic, version, fields, tensors, dataEnd, fileBytes: file.length };
}
