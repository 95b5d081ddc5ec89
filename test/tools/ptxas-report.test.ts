import { faultsOf, gatherRecord, maxSharedBytes } from '../../tools/cuda/kernel-record.mjs';
import { readPtxasReport } from '../../tools/cuda/ptxas-report.mjs';

const ofNvcc = `
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'write_kv_bf16' for 'sm_90a'
ptxas info    : Function properties for write_kv_bf16
    8 bytes stack frame, 12 bytes spill stores, 16 bytes spill loads
ptxas info    : Used 30 registers, used 2 barriers, 512 bytes smem, 376 bytes cmem[0]
ptxas info    : Compile time = 2.594 ms
ptxas info    : Compiling entry function 'embed_f16' for 'sm_90a'
ptxas info    : Function properties for embed_f16
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 10 registers, used 0 barriers
`;
const writeKv = {
  name: 'write_kv_bf16',
  registers: 30,
  stackBytes: 8,
  spillStoreBytes: 12,
  spillLoadBytes: 16,
  sharedBytes: 512,
  barriers: 2,
};

describe('the report of ptxas', () => {
  test('gives what each kernel needs, by name', () => {
    const kernels = readPtxasReport(ofNvcc);
    expect(kernels.map(({ name }) => name)).toEqual(['embed_f16', 'write_kv_bf16']);
    expect(kernels[0]).toMatchObject({ registers: 10, stackBytes: 0, sharedBytes: 0 });
    expect(kernels[1]).toEqual(writeKv);
  });

  test('is read in the words of NVRTC too', () => {
    const ofNvrtc = ofNvcc.replaceAll('\n    ', '\nptxas         .     ');
    expect(readPtxasReport(ofNvrtc)).toEqual(readPtxasReport(ofNvcc));
  });

  test('is empty where there are no kernels', () => {
    expect(readPtxasReport('ptxas info    : 0 bytes gmem\n')).toEqual([]);
  });
});

describe('faults of compiled kernels', () => {
  const recordOf = (name: string, changes: object) => {
    const sm80 = { ...writeKv, spillStoreBytes: 0, spillLoadBytes: 0, ...changes };
    return { ...gatherRecord('no such sources'), kernels: { [name]: { 13: { sm_80: sm80 } } } };
  };

  test('are spills in an attention kernel', () => {
    const [fault] = faultsOf(recordOf('paged_attention_decode_bf16_d64', { spillLoadBytes: 4 }));
    expect(fault).toMatch(/paged_attention_decode_bf16_d64 \(CUDA 13, sm_80\) spills 4 bytes/);
  });

  test('are not spills in another kernel', () => {
    expect(faultsOf(recordOf('sample', { spillLoadBytes: 4 }))).toEqual([]);
  });

  test('are more static shared bytes than sm_86 has', () => {
    expect(faultsOf(recordOf('sample', { sharedBytes: maxSharedBytes }))).toEqual([]);
    expect(faultsOf(recordOf('sample', { sharedBytes: maxSharedBytes + 1 }))).toHaveLength(1);
  });
});
