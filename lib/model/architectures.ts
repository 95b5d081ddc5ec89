import { EngineError } from '../errors.js';

/** Where a bias comes from: always there, never there, or where this field of config.json is true. */
export type BiasRule = 'always' | 'never' | 'attention_bias' | 'mlp_bias';

/**
 * How far back each layer looks.
 * - `full`: over the whole context
 * - `everyLayer`: `sliding_window` tokens, where it is set
 * - `fromMaxWindowLayers`: `sliding_window` tokens in layers from `max_window_layers` on, where
 *   `use_sliding_window` is true
 * - `layersWithoutRope`: the same in layers without rotary embedding
 */
export type WindowRule = 'full' | 'everyLayer' | 'fromMaxWindowLayers' | 'layersWithoutRope';

/** Everything in which one architecture differs from another; the forward loop is the same for all. */
export interface ArchitectureDescription {
  /** What an absent field of config.json means. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** Modules under `self_attn` whose outputs, stacked, are q, k and v. */
  readonly qkvModules: readonly string[];
  /** Modules under `mlp` whose outputs, stacked, are gate and up. */
  readonly gateUpModules: readonly string[];
  readonly qkvBias: BiasRule;
  readonly attentionOutBias: BiasRule;
  readonly mlpBias: BiasRule;
  /** RMS norms over each head of q and k, before the rotation. */
  readonly hasQkNorm: boolean;
  readonly window: WindowRule;
  /** Whether `no_rope_layers` and `no_rope_layer_interval` leave layers without rotation. */
  readonly canSkipRope: boolean;
}

const llama: ArchitectureDescription = {
  defaults: { rope_theta: 10_000, tie_word_embeddings: false },
  qkvModules: ['q_proj', 'k_proj', 'v_proj'],
  gateUpModules: ['gate_proj', 'up_proj'],
  qkvBias: 'attention_bias',
  attentionOutBias: 'attention_bias',
  mlpBias: 'mlp_bias',
  hasQkNorm: false,
  window: 'full',
  canSkipRope: false,
};

const qwen2: ArchitectureDescription = {
  ...llama,
  defaults: {
    ...llama.defaults,
    num_key_value_heads: 32,
    sliding_window: 4096,
    max_window_layers: 28,
  },
  qkvBias: 'always',
  attentionOutBias: 'never',
  mlpBias: 'never',
  window: 'fromMaxWindowLayers',
};

/**
 * The architectures that one forward loop describes by data, under the names config.json gives them.
 *
 * SmolLM 1 and 2 are `LlamaForCausalLM`. Defaults are those of the configuration classes of
 * transformers 5.
 */
export const architectures = {
  LlamaForCausalLM: llama,
  MistralForCausalLM: {
    ...llama,
    defaults: { ...llama.defaults, num_key_value_heads: 8, sliding_window: 4096 },
    qkvBias: 'never',
    attentionOutBias: 'never',
    mlpBias: 'never',
    window: 'everyLayer',
  },
  Qwen2ForCausalLM: qwen2,
  Qwen3ForCausalLM: {
    ...qwen2,
    defaults: { ...qwen2.defaults, head_dim: 128 },
    qkvBias: 'attention_bias',
    attentionOutBias: 'attention_bias',
    hasQkNorm: true,
  },
  SmolLM3ForCausalLM: {
    ...llama,
    defaults: {
      rope_theta: 2_000_000,
      tie_word_embeddings: true,
      num_key_value_heads: 4,
      no_rope_layer_interval: 4,
    },
    window: 'layersWithoutRope',
    canSkipRope: true,
  },
  Phi3ForCausalLM: {
    ...llama,
    defaults: { ...llama.defaults, original_max_position_embeddings: 4096 },
    qkvModules: ['qkv_proj'],
    gateUpModules: ['gate_up_proj'],
    qkvBias: 'never',
    attentionOutBias: 'never',
    mlpBias: 'never',
    window: 'everyLayer',
  },
} as const satisfies Record<string, ArchitectureDescription>;

/** The name of a known architecture. */
export type ArchitectureName = keyof typeof architectures;

/**
 * Gives the known architecture that config.json names first.
 *
 * @param names the field `architectures`, whatever it holds
 * @throws {EngineError} `ERR_UNKNOWN_ARCHITECTURE` with the list of known ones
 */
export function getArchitecture(names: unknown): ArchitectureName {
  const [name] = Array.isArray(names) ? names : [];
  if (typeof name === 'string' && Object.hasOwn(architectures, name)) {
    return name as ArchitectureName;
  }
  throw new EngineError(
    'ERR_UNKNOWN_ARCHITECTURE',
    `config.json names the architecture ${JSON.stringify(name) ?? 'none'}; ` +
      `known are ${Object.keys(architectures).join(', ')}`,
  );
}
