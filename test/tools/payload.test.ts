import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileCommand, kindOf, payloadFolder } from '../../tools/cuda/compile-image.mjs';
import { describePayloads, readPayload } from '../../tools/cuda/payload-status.mjs';
import { root } from '../../tools/cuda/sources.mjs';
import { cudaMajors } from '../../tools/cuda/toolkit.mjs';

const built = cudaMajors.filter((major) => readPayload(major) !== undefined);
/** Without a compiler of device code there is no payload to look at. */
const testBuilt = built.length > 0 ? test.each(built) : test.skip.each(cudaMajors);

describe('a payload', () => {
  testBuilt('of CUDA %i names exactly the images beside it', (major) => {
    const folder = payloadFolder(root, major);
    const { images, cuda, abi } = readPayload(major);
    expect(cuda).toBe(major);
    expect(abi).toMatch(/^[0-9a-f]{16}$/);
    const files = images.map(({ file }: { file: string }) => file);
    expect([...files, 'payload.json'].toSorted()).toEqual(readdirSync(folder).toSorted());
    for (const { file, kind, arch } of images) {
      expect(file).toBe(`${arch}.${kind}`);
      expect(kind).toBe(kindOf(arch));
    }
  });

  testBuilt('of CUDA %i has machine code in cubins and text in PTX', (major) => {
    for (const { file, kind } of readPayload(major).images) {
      const start = readFileSync(join(payloadFolder(root, major), file)).subarray(0, 4);
      expect(start.toString('latin1')).toMatch(kind === 'cubin' ? /^\x7fELF/ : /^[^\0]+$/);
    }
  });

  test('is described in one sentence, also when there is none', () => {
    expect(describePayloads()).toMatch(/^(no CUDA kernels|CUDA kernels are of|kernels for CUDA 1)/);
  });
});

describe('the command that compiles an image', () => {
  const job = { unit: 'all.cu', deviceFolder: 'cuda' };
  const nvcc = { kind: 'nvcc', compiler: '/cuda/bin/nvcc' };
  const nvrtc = { kind: 'nvrtc', compiler: '/cuda/libnvrtc.so.12' };

  test.each([nvcc, nvrtc])('takes $kind for cubins and for PTX', (toolkit) => {
    const cubin = compileCommand(toolkit, { ...job, arch: 'sm_90a', image: 'sm_90a.cubin' });
    expect(cubin).toEqual(expect.arrayContaining(['-std=c++17', '-Icuda', '-Xptxas', '-v']));
    expect(cubin.join(' ')).toMatch(/\bsm_90a\b/);
    const ptx = compileCommand(toolkit, { ...job, arch: 'compute_120', image: 'x.ptx' });
    expect(ptx).not.toContain('-Xptxas');
  });

  test('makes warnings of nvcc errors', () => {
    const command = compileCommand(nvcc, { ...job, arch: 'sm_80', image: 'sm_80.cubin' });
    expect(command.join(' ')).toContain('-Werror all-warnings');
  });
});
