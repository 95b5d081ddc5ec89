#pragma once
// Parameter structs of every op: the one vocabulary of kernels (cuda/), backends (addon/) and
// tests. Plain data, no includes, own fixed-width types (NVRTC has no <cstdint>).
//
// Names of extents: num_tokens (rows of the step), num_seqs, hidden, in_dim (K of a matmul),
// out_dim (N), num_heads, num_kv_heads, head_dim. Strides are in bytes and 64-bit.

typedef unsigned char u8;
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;
typedef float f32;

static_assert(sizeof(i32) == 4 && sizeof(i64) == 8 && sizeof(f32) == 4, "fixed-width types");

// Mirrors dtypeCodes in lib/device/dtype.ts. Only weights are int8 or int4: groups of 32 inputs of
// one output share a scale.
enum DType : i32 { kF32 = 0, kF16 = 1, kBF16 = 2, kI32 = 3, kInt8 = 4, kInt4 = 5 };

// A weight matrix [out_dim, in_dim] in the backend's own packed order.
struct PackedWeight {
  const void* data;
  i32 out_dim;
  i32 in_dim;
  DType dtype;
};

// The KV cache: [num_blocks][num_layers][2][num_kv_heads][tile]; `data` points at block 0. The
// order inside one tile belongs to the backend; everything outside it is these strides.
struct KvCacheView {
  void* data;
  i64 block_stride;
  i64 layer_stride;
  i64 value_stride;  // from a layer's K to its V
  i64 head_stride;
  i32 num_blocks;
  i32 block_size;
  i32 num_layers;
  i32 num_kv_heads;
  i32 head_dim;
  DType dtype;
};

// out[t] = table[ids[t]], or vectors[vector_rows[t]] where vector_rows[t] >= 0.
struct EmbedParams {
  f32* out;                // [num_tokens, table.in_dim]
  PackedWeight table;      // [vocab_size, hidden]
  const i32* ids;          // [num_tokens]
  const f32* vectors;      // [num_vectors, hidden], or null
  const i32* vector_rows;  // [num_tokens], -1 where the id counts; null when vectors is
  i32 num_tokens;
};

// residual ? (residual += x, y = residual) : (y = x);  out = y / rms(y) * (weight_offset + weight)
struct RmsNormParams {
  void* out;          // [num_rows, hidden] out_dtype
  const f32* x;       // [num_rows, hidden]
  f32* residual;      // [num_rows, hidden], updated in place; or null
  const f32* weight;  // [hidden]
  f32 eps;
  f32 weight_offset;  // 0, or 1 where a checkpoint stores weight - 1
  i32 num_rows;
  i32 hidden;
  DType out_dtype;
};

// out = x . weight^T + bias
struct MatmulParams {
  void* out;      // [num_rows, weight.out_dim] out_dtype
  const void* x;  // [num_rows, weight.in_dim] of the weight's dtype; f32 where that is int8 or int4
  PackedWeight weight;
  const f32* bias;  // [out_dim], or null
  i32 num_rows;
  DType out_dtype;
};

// Puts k and v of each token into its slot; slot -1 writes nothing. Values are rounded to the
// cache's dtype.
struct WriteKvParams {
  KvCacheView cache;
  i32 layer;
  const f32* key;  // token t's head h at key + t * token_stride + h * head_dim (elements)
  const f32* value;
  i64 token_stride;         // in elements, the same for key and value
  const i32* slot_mapping;  // [num_tokens]
  i32 num_tokens;
};

// Reads slots back, widened to f32; slot -1 gives zeros. For tests, tools and people's own engines.
struct ReadKvParams {
  KvCacheView cache;
  i32 layer;
  f32* key;  // [num_slots, num_kv_heads, head_dim]
  f32* value;
  const i32* slots;  // [num_slots]
  i32 num_slots;
};

// Splits fused qkv rows, normalises q and k per head where asked, rotates q and k (half-split
// pairs: d with d + rotary_dim / 2), gives q back and scatters k and v by slot mapping.
struct RopeAndWriteKvParams {
  f32* q_out;            // [num_tokens, num_heads, head_dim]
  const f32* qkv;        // [num_tokens, num_heads + 2 * num_kv_heads, head_dim]
  const f32* cos_sin;    // [max_positions, rotary_dim]: cos of each pair, then sin of each pair
  const i32* positions;  // [num_tokens]
  const f32* q_norm;     // [head_dim], or null
  const f32* k_norm;     // [head_dim], or null
  f32 norm_eps;
  f32 norm_weight_offset;
  KvCacheView cache;
  i32 layer;
  const i32* slot_mapping;  // [num_tokens]
  i32 num_tokens;
  i32 num_heads;
  i32 rotary_dim;  // even, <= head_dim
  i32 max_positions;
};

// Varlen attention of each sequence's query rows over its paged context, causal, aligned bottom
// right: row i of a sequence stands at position context_len - query_len + i.
struct PagedAttentionParams {
  void* out;     // [num_tokens, num_heads, head_dim] out_dtype
  f32* lse;      // [num_tokens, num_heads] natural log, -inf where nothing is attended; or null
  const f32* q;  // [num_tokens, num_heads, head_dim]
  KvCacheView cache;
  i32 layer;
  const i32* block_tables;  // [num_table_rows, table_stride]
  const i32* table_rows;    // [num_seqs] row of each sequence in block_tables
  const i32* query_start;   // [num_seqs + 1]
  const i32* context_lens;  // [num_seqs]
  const f32* sinks;         // [num_heads] logit of a virtual key without value, or null
  i64 table_stride;         // entries
  i32 num_table_rows;
  i32 num_seqs;
  i32 num_tokens;  // rows past query_start[num_seqs] are padding: zeros
  i32 num_heads;
  f32 scale;
  f32 softcap;  // logits become softcap * tanh(logit / softcap); 0 is off
  i32 window;   // a row at position p sees positions >= p - window; -1 is off
  DType out_dtype;
};

// out[r][i] = act(gate_up[r][i]) * gate_up[r][dim + i]
struct GatedMulParams {
  void* out;           // [num_rows, dim] out_dtype
  const f32* gate_up;  // [num_rows, 2 * dim]
  i32 num_rows;
  i32 dim;
  DType out_dtype;
};

// out[r] = x[rows[r]]
struct GatherRowsParams {
  void* out;        // [num_rows, dim] of dtype
  const void* x;    // [num_source_rows, dim] of dtype
  const i32* rows;  // [num_rows]
  i32 num_rows;
  i32 num_source_rows;
  i32 dim;
  DType dtype;
};

// x[i] *= factor (scale), x[i] = cap * tanh(x[i] / cap) (softcap); in place.
struct ElementwiseParams {
  f32* x;       // [num_rows, dim]
  f32 operand;  // factor, or cap
  i32 num_rows;
  i32 dim;
};

// Whole blocks inside one cache: destination[i] = source[i]. No block is source and destination.
struct CopyBlocksParams {
  KvCacheView cache;
  const i32* pairs;  // [num_pairs, 2] source, destination
  i32 num_pairs;
};

constexpr i32 kMaxTopLogprobs = 20;

// One sampling slot's parameters; Mirrors SamplingSlot in lib/device/sampling-slot.ts.
struct SamplingParams {
  f32 temperature;         // 0 is greedy
  f32 top_p;               // (0, 1]
  f32 min_p;               // [0, 1)
  f32 repetition_penalty;  // > 0; over prompt and output tokens; 1 is off
  f32 presence_penalty;    // over output tokens
  f32 frequency_penalty;   // over output tokens
  i32 top_k;               // 0 is off
  i32 num_logprobs;        // -1 none, else the sampled token's and this many top ones
  u64 seed;
};

// A slot as sample() sees it: its parameters and where its token counts and biases lie.
struct SamplingSlotView {
  SamplingParams params;
  i32* output_counts;   // [vocab_size] times each token was sampled; or null when no penalty is on
  const u8* in_prompt;  // [vocab_size] 1 where the prompt has the token; or null
  const i32* bias_ids;  // [num_biases]
  const f32* bias_values;
  // [ceil(vocab_size / 32)] bit id % 32 of word id / 32: the token may be drawn; or null: all may
  const u32* token_mask;
  i32 num_biases;
};

// Draws one token per logit row. Ties go to the lowest id. The generator is counter-based, keyed by
// (seed, position), so a draw depends on nothing else. A row with a NaN or +inf anywhere sets
// non_finite and gives token 0. Where a slot has a token mask, the row counts as if the logits of
// all other tokens were -inf, for log-probabilities too; the digest is of the row as it came.
struct SampleParams {
  const f32* logits;              // [num_rows, vocab_size]; left unchanged
  const SamplingSlotView* slots;  // [num_slots]
  const i32* row_slots;           // [num_rows] slot of each row, or -1: nothing is drawn, gives -1
  const i32* row_positions;       // [num_rows] position that the drawn token will have
  i32* samples;                   // [num_rows]
  f32* sample_logprobs;           // [num_rows]
  i32* top_ids;                   // [num_rows, kMaxTopLogprobs], -1 past num_logprobs
  f32* top_logprobs;              // [num_rows, kMaxTopLogprobs]
  u8* non_finite;                 // [num_rows]
  u64* digests;                   // [num_rows] 64-bit digest of the row's bits, or null
  i32 num_rows;
  i32 vocab_size;
  i32 num_slots;
};
