import { parseConfig } from '../../lib/model/config.js';
import { type ConfigJson, randomConfig } from './random-checkpoint.js';

/** Parses what a file with these fields would hold: a field that is undefined is left out. */
const parse = (overrides: ConfigJson, generation?: ConfigJson) =>
  parseConfig(JSON.parse(JSON.stringify(randomConfig(overrides))), generation);

function refusal(overrides: ConfigJson, generation?: ConfigJson) {
  try {
    parse(overrides, generation);
  } catch (error) {
    return error as { code: string; message: string; field?: string; limit?: string };
  }
  throw new Error('was accepted');
}

describe('parseConfig', () => {
  test('reads a Llama config as it stands', () => {
    expect(parse({})).toEqual({
      architecture: 'LlamaForCausalLM',
      vocabSize: 256,
      hiddenSize: 64,
      numLayers: 2,
      numHeads: 4,
      numKvHeads: 2,
      headDim: 64,
      ffnSize: 96,
      activation: 'silu',
      rmsNormEps: 1e-5,
      maxPositions: 4096,
      rope: { theta: 10000, rotaryDim: 64, scaling: { type: 'default' } },
      layers: [
        { slidingWindow: undefined, hasRope: true },
        { slidingWindow: undefined, hasRope: true },
      ],
      slidingWindow: undefined,
      tieWordEmbeddings: true,
      qkvBias: false,
      attentionOutBias: false,
      mlpBias: false,
      qkNorm: false,
      eosTokenIds: [2],
      bosTokenId: 1,
      declaredDtype: undefined,
    });
  });

  test('fills in what an absent or null field means', () => {
    const absent = {
      head_dim: null,
      num_key_value_heads: undefined,
      tie_word_embeddings: undefined,
    };
    const config = parse({ ...absent, hidden_act: null, rope_theta: undefined });
    expect(config).toMatchObject({
      headDim: 16,
      numKvHeads: 4,
      tieWordEmbeddings: false,
      activation: 'silu',
      rope: { theta: 10000 },
    });
    expect(parse({ architectures: ['Qwen3ForCausalLM'], head_dim: undefined }).headDim).toBe(128);
    const smol = parse({ architectures: ['SmolLM3ForCausalLM'], rope_theta: undefined });
    expect(smol.rope.theta).toBe(2_000_000);
  });

  test.each([
    ['LlamaForCausalLM', {}, [false, false, false, false]],
    ['LlamaForCausalLM', { attention_bias: true }, [true, true, false, false]],
    ['LlamaForCausalLM', { mlp_bias: true }, [false, false, true, false]],
    ['MistralForCausalLM', { attention_bias: true }, [false, false, false, false]],
    ['Qwen2ForCausalLM', {}, [true, false, false, false]],
    ['Qwen3ForCausalLM', {}, [false, false, false, true]],
    ['Qwen3ForCausalLM', { attention_bias: true }, [true, true, false, true]],
    ['Phi3ForCausalLM', { mlp_bias: true }, [false, false, false, false]],
  ])('%s with %j has the biases and norms of its class', (architecture, overrides, expected) => {
    const c = parse({ architectures: [architecture], ...overrides });
    expect([c.qkvBias, c.attentionOutBias, c.mlpBias, c.qkNorm]).toEqual(expected);
  });

  describe('gives each layer its window', () => {
    const windows = (overrides: ConfigJson) =>
      parse({ num_hidden_layers: 4, ...overrides }).layers.map((layer) => layer.slidingWindow);
    const off = undefined;

    test.each([
      ['LlamaForCausalLM', { sliding_window: 8 }, [off, off, off, off]],
      ['MistralForCausalLM', { sliding_window: 8 }, [8, 8, 8, 8]],
      ['MistralForCausalLM', { sliding_window: null }, [off, off, off, off]],
      ['MistralForCausalLM', {}, [4096, 4096, 4096, 4096]],
      ['Phi3ForCausalLM', {}, [off, off, off, off]],
      ['Qwen2ForCausalLM', { sliding_window: 8, max_window_layers: 2 }, [off, off, off, off]],
      [
        'Qwen2ForCausalLM',
        { use_sliding_window: true, sliding_window: 8, max_window_layers: 3 },
        [off, off, off, 8],
      ],
      [
        'Qwen3ForCausalLM',
        { use_sliding_window: true, sliding_window: 8, max_window_layers: 0 },
        [8, 8, 8, 8],
      ],
      [
        'Qwen3ForCausalLM',
        {
          use_sliding_window: true,
          sliding_window: 8,
          layer_types: [
            'sliding_attention',
            'full_attention',
            'sliding_attention',
            'full_attention',
          ],
        },
        [8, off, 8, off],
      ],
      [
        'SmolLM3ForCausalLM',
        { use_sliding_window: true, sliding_window: 8, no_rope_layers: [1, 0, 1, 0] },
        [off, 8, off, 8],
      ],
    ])('%s %j', (architecture, overrides, expected) => {
      expect(windows({ architectures: [architecture], ...overrides })).toEqual(expected);
    });
  });

  test('leaves the layers of SmolLM3 without rotation that its config names, or every fourth', () => {
    const smol = { architectures: ['SmolLM3ForCausalLM'], num_hidden_layers: 5 };
    const rotations = (overrides: ConfigJson) =>
      parse({ ...smol, ...overrides }).layers.map((layer) => layer.hasRope);
    expect(rotations({})).toEqual([true, true, true, false, true]);
    expect(rotations({ no_rope_layer_interval: 2 })).toEqual([true, false, true, false, true]);
    expect(rotations({ no_rope_layers: [0, 1, 1, 1, 0, 1] })).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
  });

  describe('reads the rotary embedding', () => {
    const llama3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
    const rope = (overrides: ConfigJson) => parse({ rope_theta: undefined, ...overrides }).rope;

    test('in the spelling of transformers 4', () => {
      const scaling = { ...llama3, rope_type: 'llama3', original_max_position_embeddings: 64 };
      expect(rope({ rope_theta: 5e5, rope_scaling: scaling })).toEqual({
        theta: 5e5,
        rotaryDim: 64,
        scaling: {
          type: 'llama3',
          factor: 8,
          lowFreqFactor: 1,
          highFreqFactor: 4,
          originalMaxPositions: 64,
        },
      });
      expect(rope({ rope_scaling: { type: 'linear', factor: 2.5 } }).scaling).toEqual({
        type: 'linear',
        factor: 2.5,
      });
      expect(rope({ partial_rotary_factor: 0.75 }).rotaryDim).toBe(48);
    });

    test('in the spelling of transformers 5', () => {
      const parameters = { rope_type: 'linear', factor: 4, rope_theta: 5e5 };
      const expected = { theta: 5e5, rotaryDim: 32, scaling: { type: 'linear', factor: 4 } };
      expect(rope({ rope_parameters: { ...parameters, partial_rotary_factor: 0.5 } })).toEqual(
        expected,
      );
      expect(rope({ rope_parameters: { rope_theta: 7, rope_type: 'default' } }).theta).toBe(7);
    });

    test('with yarn, whose factors and lengths may stand in several places', () => {
      const yarn = { rope_type: 'yarn', original_max_position_embeddings: 512 };
      const byFactor = rope({ rope_scaling: { ...yarn, factor: 4 } }).scaling;
      const { log } = Math;
      expect(byFactor).toEqual({
        type: 'yarn',
        factor: 4,
        betaFast: 32,
        betaSlow: 1,
        isTruncated: true,
        originalMaxPositions: 512,
        attentionFactor: 0.1 * log(4) + 1,
      });
      expect(rope({ rope_scaling: yarn }).scaling).toMatchObject({ factor: 8 });
      const weights = { mscale: 2, mscale_all_dim: 0.5, beta_fast: 16, truncate: false };
      expect(rope({ rope_parameters: { ...yarn, factor: 4, ...weights } }).scaling).toMatchObject({
        betaFast: 16,
        isTruncated: false,
        attentionFactor: (0.2 * log(4) + 1) / (0.05 * log(4) + 1),
      });
      const given = rope({ rope_parameters: { ...yarn, attention_factor: 3 } }).scaling;
      expect(given).toMatchObject({ attentionFactor: 3 });
    });

    test('with yarn, which lengthens the context that the model is made for', () => {
      const yarn = { type: 'yarn', factor: 4, original_max_position_embeddings: 4096 };
      expect(parse({ rope_scaling: yarn }).maxPositions).toBe(16384);
      expect(parse({ rope_scaling: { ...yarn, factor: 0.5 } }).maxPositions).toBe(4096);
      expect(parse({ rope_scaling: { type: 'linear', factor: 4 } }).maxPositions).toBe(4096);
    });

    test.each(['longrope', 'su', 'yarn'])('of Phi-3, which calls it %s', (type) => {
      const [shortFactors, longFactors] = [Array(24).fill(1.5), Array(24).fill(12)];
      const scaling = { type, short_factor: shortFactors, long_factor: longFactors };
      const phi3 = { architectures: ['Phi3ForCausalLM'], partial_rotary_factor: 0.75 };
      const expected = { type: 'longrope', shortFactors, longFactors };
      const { log, sqrt } = Math;
      const of = (more: ConfigJson) => rope({ ...phi3, rope_scaling: scaling, ...more }).scaling;
      expect(of({ original_max_position_embeddings: 1024 })).toEqual({
        ...expected,
        originalMaxPositions: 1024,
        attentionFactor: sqrt(1 + log(4) / log(1024)),
      });
      expect(of({})).toMatchObject({ originalMaxPositions: 4096, attentionFactor: 1 });
    });

    test('taking the longest context where llama3 leaves out the original one', () => {
      expect(rope({ rope_scaling: { ...llama3, rope_type: 'llama3' } }).scaling).toMatchObject({
        originalMaxPositions: 4096,
      });
    });
  });

  test('reads the dtype under its old and its new name', () => {
    expect(parse({ torch_dtype: 'bfloat16' }).declaredDtype).toBe('bf16');
    expect(parse({ dtype: 'float16', torch_dtype: 'float32' }).declaredDtype).toBe('f16');
  });

  test('takes the ids that end a reply from generation_config.json where it names any', () => {
    expect(parse({ eos_token_id: [3, 4] }).eosTokenIds).toEqual([3, 4]);
    expect(parse({}, { eos_token_id: [5, 6] }).eosTokenIds).toEqual([5, 6]);
    expect(parse({}, { eos_token_id: null }).eosTokenIds).toEqual([2]);
    expect(parse({ eos_token_id: null, bos_token_id: null })).toMatchObject({
      eosTokenIds: [],
      bosTokenId: undefined,
    });
  });

  test.each([[['BertModel']], [['toString']], [[]], ['LlamaForCausalLM'], [undefined]])(
    'refuses the architectures %j with the list of known ones',
    (architectures) => {
      const { code, message } = refusal({ architectures });
      expect(code).toBe('ERR_UNKNOWN_ARCHITECTURE');
      expect(message).toMatch(/known are LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM/);
    },
  );

  test.each<[ConfigJson, field: string, limit: RegExp]>([
    [{ vocab_size: undefined }, 'vocab_size', /integer from 1/],
    [{ vocab_size: 2 ** 31 }, 'vocab_size', /to 2147483647/],
    [{ hidden_size: 0 }, 'hidden_size', /integer from 1/],
    [{ hidden_size: '64' }, 'hidden_size', /integer from 1/],
    [{ hidden_size: 65, head_dim: null }, 'hidden_size', /multiple of num_attention_heads \(4\)/],
    [{ num_hidden_layers: 1e9 }, 'num_hidden_layers', /integer from 1 to 1024/],
    [{ num_attention_heads: 7.5 }, 'num_attention_heads', /integer from 1/],
    [{ num_key_value_heads: 3 }, 'num_key_value_heads', /divisor of num_attention_heads \(4\)/],
    [{ num_key_value_heads: 8 }, 'num_key_value_heads', /from 1 to 4/],
    [{ intermediate_size: -1 }, 'intermediate_size', /integer from 1/],
    [{ max_position_embeddings: null }, 'max_position_embeddings', /integer from 1/],
    [{ rms_norm_eps: 0 }, 'rms_norm_eps', /above 0/],
    [{ hidden_act: 'relu' }, 'hidden_act', /one of silu, swish, gelu_pytorch_tanh/],
    [{ tie_word_embeddings: 'yes' }, 'tie_word_embeddings', /true or false/],
    [{ torch_dtype: 'float8_e4m3fn' }, 'torch_dtype', /one of float32, float16, bfloat16/],
    [{ quantization_config: { bits: 4 } }, 'quantization_config', /F32, F16 or BF16/],
    [{ eos_token_id: 256 }, 'eos_token_id', /token ids from 0 to 255/],
    [{ eos_token_id: [1, -1] }, 'eos_token_id', /token ids/],
    [{ rope_theta: 0 }, 'rope_parameters.rope_theta', /above 0/],
    [{ rope_scaling: [] }, 'rope_scaling', /an object/],
    [
      { rope_scaling: { rope_type: 'dynamic', factor: 4 } },
      'rope_scaling.rope_type',
      /default, linear, llama3, yarn, longrope; dynamic would make a cached key depend on/,
    ],
    [{ rope_scaling: { type: 'ntk' } }, 'rope_scaling.rope_type', /yarn, longrope$/],
    [
      { rope_scaling: { type: 'yarn', factor: 2, beta_fast: 1 } },
      'rope_scaling.beta_fast',
      /more than beta_slow \(1\)/,
    ],
    [{ rope_scaling: { type: 'yarn', factor: -1 } }, 'rope_scaling.factor', /above 0/],
    [{ rope_scaling: { type: 'longrope' } }, 'rope_scaling.short_factor', /32 finite numbers/],
    [
      { rope_scaling: { type: 'su', short_factor: Array(32).fill(1), long_factor: [1, 2] } },
      'rope_scaling.long_factor',
      /32 finite numbers above 0, one for each pair/,
    ],
    [{ rope_scaling: { type: 'linear' } }, 'rope_scaling.factor', /above 0/],
    [
      { rope_scaling: { type: 'llama3', factor: 2, low_freq_factor: 4, high_freq_factor: 4 } },
      'rope_scaling.high_freq_factor',
      /more than low_freq_factor \(4\)/,
    ],
    [{ rope_parameters: { full_attention: { rope_theta: 1 } } }, 'rope_parameters', /all layers/],
    [{ partial_rotary_factor: 1.5 }, 'rope_parameters.partial_rotary_factor', /64 elements/],
    [{ partial_rotary_factor: 0.02 }, 'rope_parameters.partial_rotary_factor', /even part/],
    [
      { architectures: ['Qwen2ForCausalLM'], layer_types: ['sliding_attention', 'full_attention'] },
      'layer_types',
      /each of 2 layers/,
    ],
    [
      { architectures: ['Qwen3ForCausalLM'], layer_types: ['full_attention'] },
      'layer_types',
      /each of 2 layers/,
    ],
    [{ architectures: ['SmolLM3ForCausalLM'], no_rope_layers: [1, 2] }, 'no_rope_layers', /list/],
  ])('refuses %j', (overrides, field, limit) => {
    const error = refusal(overrides);
    expect(error.code).toBe('ERR_CONFIG_INVALID');
    expect(error.field).toBe(`config.json: ${field}`);
    expect(error.limit).toMatch(limit);
  });

  test('says which file holds a wrong id', () => {
    expect(refusal({}, { eos_token_id: 'end' }).field).toBe('generation_config.json: eos_token_id');
  });
});
