#pragma once
// What the attention kernels and their launcher share: tiles and shared memory, the work list that
// the plan kernel writes, and where partial results lie.

#include "params.h"

// Positions that one step of the online softmax takes in deterministic mode and in prefill, counted
// from position 0.
constexpr i32 kAttentionTilePositions = 64;
// Positions of a split in deterministic mode, counted from position 0.
constexpr i32 kAttentionSplitPositions = 1024;
// Shortest split where their size follows from the work.
constexpr i32 kAttentionMinSplitPositions = 128;
// Packed rows (query rows times the heads that share a kv head) of one item.
constexpr i32 kAttentionDecodeRows = 16;
constexpr i32 kAttentionPrefillRows = 64;

constexpr i32 kAttentionThreads = 128;      // of both kernels
constexpr i32 kAttentionFixedThreads = 32;  // of decode in deterministic mode: one split per warp
constexpr i32 kAttentionPlanThreads = 256;

// Bytes from one position's row of a K or V tile in shared memory to the next. Rows of 128 bytes
// and their multiples are swizzled; others are an odd number of 16-byte pieces apart, which keeps 8
// rows in different banks too.
constexpr i32 attention_row_pitch(i32 head_dim) {
  return head_dim % 64 == 0 ? head_dim * 2 : head_dim * 2 + 16;
}
// From head_dim 256 on the fragments of q lie in shared memory: registers do not hold them.
constexpr bool attention_shares_query(i32 head_dim) { return head_dim > 128; }

// Pieces of K or V in flight or in use: per warp 16 positions each in decode, per CTA 64 in
// prefill.
constexpr i32 attention_decode_slots(i32 head_dim) { return head_dim > 128 ? 2 : 4; }
constexpr i32 attention_fixed_slots(i32 head_dim) { return head_dim > 128 ? 5 : 8; }
constexpr i32 attention_prefill_slots(i32 head_dim) { return head_dim > 128 ? 2 : 4; }

// Dynamic shared memory of a CTA; at most 99 KiB, what sm_86 and sm_89 have.
constexpr i32 attention_decode_bytes(i32 head_dim) {
  return attention_row_pitch(head_dim) * 16 *
         (4 * attention_decode_slots(head_dim) + (attention_shares_query(head_dim) ? 1 : 0));
}
constexpr i32 attention_fixed_bytes(i32 head_dim) {
  return attention_row_pitch(head_dim) * 16 *
         (attention_fixed_slots(head_dim) + (attention_shares_query(head_dim) ? 1 : 0));
}
constexpr i32 attention_prefill_bytes(i32 head_dim) {
  return attention_row_pitch(head_dim) * 64 *
         (attention_prefill_slots(head_dim) + (attention_shares_query(head_dim) ? 1 : 0));
}
static_assert(attention_decode_bytes(256) <= 99 * 1024 && attention_decode_bytes(128) <= 99 * 1024,
              "decode fits sm_86");
static_assert(attention_prefill_bytes(256) <= 99 * 1024 &&
                  attention_prefill_bytes(128) <= 99 * 1024,
              "prefill fits sm_86");

// CTAs on one SM that registers allow; the second argument of the kernels' launch bounds.
constexpr i32 attention_decode_ctas(i32 head_dim) { return head_dim > 128 ? 2 : 3; }
constexpr i32 kAttentionFixedCtas = 8;
constexpr i32 attention_prefill_ctas(i32 head_dim) { return head_dim > 128 ? 1 : 2; }

// A tile of packed rows of one sequence and the positions it attends to; run once per kv head.
// Packed row r of a sequence is head r % group of the group, at query row r / group.
struct AttentionItem {
  i32 sequence;
  i32 first_row;  // packed
  i32 begin;      // positions [begin, end); begin is a multiple of 64
  i32 end;        // a multiple of 64 from begin on, or one past the last position that is seen
  i32 partial;    // of the first of the splits that are merged; -1: the item gives its rows itself
  i32 split;      // which of them this is
  i32 num_splits;
};

// One kernel's work. A unit is an item for one kv head: unit = item * num_kv_heads + kv_head.
struct AttentionWork {
  i32* num_items;        // [1]
  AttentionItem* items;  // [max_items], costly ones first
  u32* tickets;          // [max_partials * num_kv_heads] splits that are done, at the first's place
  i32 max_items;
  i32 max_partials;  // splits that are merged, over all items
  i32 num_ctas;      // that run the list
  i32 tile_rows;
};

struct AttentionPlanParams {
  PagedAttentionParams op;
  AttentionWork lists[2];  // decode, prefill; CTA i writes list i
  i32 max_decode_rows;     // sequences with at most so many packed rows are on the first list
  bool is_deterministic;
};

struct AttentionRunParams {
  PagedAttentionParams op;  // its scale is not negative: query_sign has the sign
  AttentionWork work;
  f32* partial_out;    // [max_partials * num_kv_heads, tile_rows, head_dim], normalised
  f32* partial_rows;   // [max_partials * num_kv_heads, tile_rows, 2] lse; then weights of the join
  f32* totals;         // [num_ctas, head_dim / 8, threads, 4]; null unless deterministic
  i32 block_shift;     // block_size is 1 << block_shift
  f32 query_sign;      // 1, -1, or 0 where the scale is 0
  f32 log2_factor;     // of a score, after softcap: its logit in units of ln 2
  f32 natural_factor;  // the same, in units of 1
  f32 cap_factor;      // scale / softcap; 0 when softcap is off
  bool is_deterministic;
  bool clears_padding;  // whether this kernel writes the rows past query_start[num_seqs]
};
