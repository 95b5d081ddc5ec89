import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { abiStamp, deviceFiles, root, translationUnit } from '../../tools/cuda/sources.mjs';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'device-sources-'));
  for (const [name, text] of [
    ['b.cu', 'second'],
    ['B.cu', 'capital letters sort first'],
    ['a.cuh', 'header'],
  ]) {
    writeFileSync(join(folder, name), text);
  }
});

afterEach(() => rmSync(folder, { recursive: true }));

describe('the device sources', () => {
  test('are the files of the folder itself, in the order of their bytes', () => {
    mkdirSync(join(folder, 'notes'));
    expect(deviceFiles(folder)).toEqual(['B.cu', 'a.cuh', 'b.cu']);
  });

  test('have a stamp over names and contents', () => {
    const text = 'B.cu\ncapital letters sort firsta.cuh\nheaderb.cu\nsecond';
    const digest = createHash('sha256').update(text).digest('hex');
    expect(abiStamp(folder)).toBe(digest.slice(0, 16));
  });

  test('have another stamp when a file has another name', () => {
    const before = abiStamp(folder);
    writeFileSync(join(folder, 'c.cu'), '');
    expect(abiStamp(folder)).not.toBe(before);
  });

  test('meet in one translation unit that includes every kernel file', () => {
    expect(translationUnit(folder)).toBe('#include "B.cu"\n#include "b.cu"\n');
  });

  test('carry the stamp that CMake built into the addon', () => {
    const addon = readFileSync(join(root, 'build/Release/paged_attention.node'));
    expect(addon.includes(abiStamp())).toBe(true);
  });
});
