import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeGguf } from '../../bench/cpu/models/gguf.mjs';
import { writeHuggingFaceFolder } from '../../bench/cpu/models/safetensors.mjs';
import { contextLen, shapes } from '../../bench/cpu/shapes.mjs';
import { readGguf } from './gguf-file.js';

const { tiny } = shapes;
const headDim = tiny.headDim;
let folder: string;
let gguf: ReturnType<typeof readGguf>;
let weights: Map<string, { shape: number[]; bits: Uint16Array }>;

function readSafetensors(path: string) {
  const file = readFileSync(path);
  const headerEnd = 8 + Number(file.readBigUInt64LE());
  const header: Record<string, { shape: number[]; data_offsets: [number, number] }> = JSON.parse(
    file.toString('utf8', 8, headerEnd),
  );
  const entries = Object.entries(header).map(
    ([
      name,
      {
        shape,
        data_offsets: [start, end],
      },
    ]) => {
      const bytes = Buffer.from(file.subarray(headerEnd + start, headerEnd + end));
      return [
        name,
        { shape, bits: new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2) },
      ];
    },
  );
  return new Map(entries as [string, { shape: number[]; bits: Uint16Array }][]);
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bench-models-'));
  writeHuggingFaceFolder(folder, tiny);
  weights = readSafetensors(join(folder, 'model.safetensors'));
  writeGguf(join(folder, 'bf16.gguf'), tiny, 'bf16');
  gguf = readGguf(join(folder, 'bf16.gguf'));
});

afterAll(() => rmSync(folder, { recursive: true }));

const matrix = (name: string) => {
  const { data } = gguf.tensors.get(name)!;
  return new Uint16Array(Uint8Array.from(data).buffer);
};

describe('the GGUF file of the benchmark model', () => {
  test('says the shape that config.json says', () => {
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    const said = (field: string) => gguf.fields.get(`llama.${field}`);
    expect([gguf.magic, gguf.version]).toEqual(['GGUF', 3]);
    expect(said('embedding_length')).toBe(config.hidden_size);
    expect(said('block_count')).toBe(config.num_hidden_layers);
    expect(said('attention.head_count')).toBe(config.num_attention_heads);
    expect(said('attention.head_count_kv')).toBe(config.num_key_value_heads);
    expect(said('feed_forward_length')).toBe(config.intermediate_size);
    expect(said('rope.freq_base')).toBe(config.rope_theta);
    expect(said('context_length')).toBe(contextLen);
  });

  test('has one token for each id, the same as tokenizer.json', () => {
    const { model } = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8'));
    const tokens = gguf.fields.get('tokenizer.ggml.tokens') as string[];
    expect(tokens).toHaveLength(tiny.vocabSize);
    expect(tokens).toEqual(Object.keys(model.vocab));
    expect(new Set(tokens).size).toBe(tiny.vocabSize);
  });

  test('has the bits of the other file in every matrix but q and k', () => {
    const pairs = [
      ['token_embd', 'model.embed_tokens'],
      ['blk.1.attn_v', 'model.layers.1.self_attn.v_proj'],
      ['blk.1.attn_output', 'model.layers.1.self_attn.o_proj'],
      ['blk.0.ffn_gate', 'model.layers.0.mlp.gate_proj'],
      ['blk.0.ffn_up', 'model.layers.0.mlp.up_proj'],
      ['blk.0.ffn_down', 'model.layers.0.mlp.down_proj'],
    ];
    for (const [ours, theirs] of pairs) {
      const { shape, bits } = weights.get(`${theirs}.weight`)!;
      expect(gguf.tensors.get(`${ours}.weight`)!.dims).toEqual(shape.toReversed());
      expect(matrix(`${ours}.weight`)).toEqual(bits);
    }
  });

  test('has norms as 32-bit numbers of the same value', () => {
    const { data, type } = gguf.tensors.get('blk.1.ffn_norm.weight')!;
    const numbers = new Uint32Array(Uint8Array.from(data).buffer);
    const { bits } = weights.get('model.layers.1.post_attention_layernorm.weight')!;
    expect(type).toBe(0);
    expect([...numbers]).toEqual([...bits].map((half) => (half << 16) >>> 0));
  });

  test.each([
    ['attn_q', 'q_proj', tiny.numHeads],
    ['attn_k', 'k_proj', tiny.numKvHeads],
  ])('has the two halves of each head of %s as neighbours', (ours, theirs, numHeads) => {
    const rows = matrix(`blk.1.${ours}.weight`);
    const { bits } = weights.get(`model.layers.1.self_attn.${theirs}.weight`)!;
    const row = (from: Uint16Array, i: number) =>
      from.subarray(i * tiny.hiddenSize, (i + 1) * tiny.hiddenSize);
    for (let head = 0; head < numHeads; head++) {
      for (let i = 0; i < headDim / 2; i++) {
        const first = head * headDim;
        expect(row(rows, first + 2 * i)).toEqual(row(bits, first + i));
        expect(row(rows, first + 2 * i + 1)).toEqual(row(bits, first + headDim / 2 + i));
      }
    }
  });

  test.each(['bf16', 'q8_0', 'q4_0'])('ends where its last tensor ends: %s', (format) => {
    const path = join(folder, `${format}.gguf`);
    if (format !== 'bf16') writeGguf(path, tiny, format);
    const { tensors, dataEnd, fileBytes } = readGguf(path);
    expect(tensors.get('output_norm.weight')!.data).toHaveLength(4 * tiny.hiddenSize);
    expect(fileBytes).toBe(dataEnd);
  });
});

test('two tensors of one shape differ, and the same one is always the same', () => {
  const [q0, q1] = [0, 1].map((i) => weights.get(`model.layers.${i}.self_attn.q_proj.weight`)!);
  expect(q0.bits).not.toEqual(q1.bits);
  const again = mkdtempSync(join(tmpdir(), 'bench-models-'));
  writeHuggingFaceFolder(again, tiny);
  const file = (path: string) => readFileSync(join(path, 'model.safetensors'));
  expect(file(again).equals(file(folder))).toBe(true);
  rmSync(again, { recursive: true });
});
