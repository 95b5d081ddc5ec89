import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Device, WeightDType } from '../../lib/device/index.js';
import { Random } from '../conformance/random.js';
import { toF16Bits } from '../model/float-bits.js';
import { roundTo } from '../reference/dtype.js';
import { dequantize, type Quantized, quantizeWeight } from '../reference/quantized.js';

/** Blocks of llama.cpp: Q8_0 for int8, Q4_0 for int4. */
export type BlockDType = 'int8' | 'int4';

const rowLen = 96;
const headDim = 8;
const numRows = 40; // more than a panel

/** The blocks of a quantised matrix, rows one after the other. */
export function blockBytes(dtype: BlockDType, { q, scales }: Quantized): Buffer {
  const blocks = [...scales].map((scale, i) => {
    const group = [...q.subarray(i * 32, (i + 1) * 32)];
    const halves = Array.from(
      { length: 16 },
      (_, k) => (group[k] + 8) | ((group[16 + k] + 8) << 4),
    );
    const data = dtype === 'int8' ? Buffer.from(Int8Array.from(group).buffer) : Buffer.from(halves);
    return Buffer.concat([Buffer.from(Uint16Array.of(toF16Bits(scale)).buffer), data]);
  });
  return Buffer.concat(blocks);
}

/** Row `i` of the weight is stored as this one: the halves of a head are neighbours. */
const storedRow = (row: number): number => {
  const inHead = row % headDim;
  return row - inHead + (inHead % (headDim / 2)) * 2 + Math.floor(inHead / (headDim / 2));
};

/**
 * Loads random blocks with the halves of each head as neighbours, behind rows in order, and reads every row back.
 *
 * @returns what the device holds, and what the blocks stand for, rounded to `dtype`
 */
export async function loadBlocks(device: Device, stored: BlockDType, dtype: WeightDType) {
  const random = new Random(7, 'stored weights');
  const values = random.normals(numRows * rowLen);
  const quantized = quantizeWeight(stored, values, rowLen);
  const folder = mkdtempSync(join(tmpdir(), 'paged-attention-blocks-'));
  const path = join(folder, 'blocks');
  writeFileSync(path, Buffer.concat([Buffer.alloc(7), blockBytes(stored, quantized)]));
  const source = device.mapFile(path);
  const part = { source, byteOffset: 7, dtype: stored, outDim: numRows };
  const parts = [part, { ...part, interleavedHeadDim: headDim }];
  const table = await device.loadWeight({ dtype, inDim: rowLen, parts });
  source.close();
  rmSync(folder, { recursive: true });

  const ids = Int32Array.from({ length: 2 * numRows }, (_, row) => row);
  const out = device.tensor({ dtype: 'f32', shape: [ids.length, rowLen] });
  const idTensor = device.tensor({ dtype: 'i32', shape: [ids.length], data: ids });
  await device.ops.embed({ out, table, ids: idTensor });
  const found = [...(await out.read())];
  for (const resource of [out, idTensor, table]) resource.free();
  const exact = dequantize(quantized);
  const rowAt = (row: number) => [...exact.subarray(row * rowLen, (row + 1) * rowLen)];
  const isFloat = dtype === 'f32' || dtype === 'f16' || dtype === 'bf16';
  const expected = [...ids].flatMap((id) => rowAt(id < numRows ? id : storedRow(id - numRows)));
  return { found, expected: isFloat ? expected.map((value) => roundTo(dtype, value)) : expected };
}
