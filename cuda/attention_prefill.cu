// Paged attention of many query rows: prompts, chunks over a cached prefix, groups of more than 16.

#include "attention_finish.cuh"
#include "attention_stream.cuh"

namespace attention_prefill {

// Attends to positions [begin, end) with 64 packed rows, 64 positions a step.
template <class T, i32 kHeadDim>
DEVICE void attend_range(const AttentionRunParams& params, const attention_rows::Unit& unit,
                         const attention_tile::Query<T, kHeadDim>& query, u32 ring,
                         const attention_softmax::RowSpan (&spans)[2], i32 begin, i32 end,
                         attention_softmax::State<kHeadDim>& state) {
  constexpr i32 kPieces = kAttentionTilePositions / attention_tile::kPieceRows;
  const i32 warp_row = i32(threadIdx.x) / kWarpSize * attention_tile::kPieceRows;
  const i32 num_steps = (end - begin + kAttentionTilePositions - 1) / kAttentionTilePositions;
  const attention_rows::CommonSpan common = attention_rows::common_span_of(params.op, unit);
  sync_cta();  // the ring is free
  attention_stream::Stream<kHeadDim, attention_prefill_slots(kHeadDim), kAttentionTilePositions, 1>
      stream(attention_rows::head_cache_of(params, unit), ring, begin + warp_row, num_steps);
  for (i32 step = 0; step < num_steps; step++) {
    const i32 position = begin + step * kAttentionTilePositions;
    f32 scores[2 * kPieces][4];
    u32 weights[kPieces][4];
    attention_tile::score_pieces<T, kHeadDim, kPieces>(scores, query, stream.next());
    if (params.op.softcap > 0.0f) {
      attention_softmax::cap_scores(scores, params.op.softcap, params.cap_factor);
    }
    if (position < common.low || position + kAttentionTilePositions - 1 > common.high) {
      attention_softmax::mask_scores(scores, position, spans);
    }
    attention_softmax::take_scores<T>(state, scores, params.log2_factor, weights);
    attention_tile::add_values<T, kHeadDim, kPieces>(state.out, weights, stream.next());
  }
}

template <class T, i32 kHeadDim>
DEVICE void attend_unit(const AttentionRunParams& params, const attention_rows::Unit& unit) {
  CU_DYNAMIC_SHARED(u8, memory);
  const i32 lane = i32(threadIdx.x) % kWarpSize;
  const i32 warp = i32(threadIdx.x) / kWarpSize;
  const i32 first_row = warp * 16;
  attention_tile::Query<T, kHeadDim> query;
  if constexpr (attention_shares_query(kHeadDim)) {
    constexpr i32 kRingBytes =
        attention_prefill_slots(kHeadDim) * 64 * attention_row_pitch(kHeadDim);
    query.fragments =
        reinterpret_cast<Vec16*>(memory + kRingBytes) + warp * (kHeadDim / 16) * kWarpSize + lane;
  }
  attention_rows::load_query<T, kHeadDim>(query, params, unit, first_row, 0, 1);
  const attention_softmax::RowSpan spans[2] = {
      attention_rows::span_of(params.op, unit, first_row + lane / 4),
      attention_rows::span_of(params.op, unit, first_row + lane / 4 + 8)};
  attention_softmax::State<kHeadDim> state;
  f32 lse[2];
  attention_finish::attend_splits<kHeadDim, kAttentionThreads>(
      params, unit, state, lse, [&](i32 begin, i32 end) {
        attend_range<T, kHeadDim>(params, unit, query, ptx::shared_address(memory), spans, begin,
                                  end, state);
      });
  attention_finish::finish_rows<kHeadDim, kAttentionPrefillRows, kAttentionThreads>(
      params, unit, state, lse, first_row);
}

// Attends with tiles of 64 packed rows of one kv head.
//
//   out[r] = sum over p in [low(r), position(r)] of softmax(cap(scale * q[r] . k[p]))[p] * v[p]
//
// Shapes   as in PagedAttentionParams; packed row r of a sequence is query row r / group, head
//          r % group of the group
// Grid     work.num_ctas CTAs of 4 warps, 16 packed rows each, that walk the plan's units
// Needs    K and V tiles [block_size][head_dim], block_size a power of two from 8, 16-byte strides;
//          no table entry past ceil(context_len / block_size) is read
// Moves    per unit 4 * head_dim bytes per position; 8 * 64 * head_dim flops per position, so
//          tensor cores are the ceiling from some 64 rows on
// Order    positions ascending in tiles of 64; in deterministic mode counted from 0, splits of
//          1,024 joined left to right
// Math     q rounded to the cache's dtype; products and sums in f32, weights rounded for P . V
// Shared   attention_prefill_bytes(head_dim): K and V slots of 64 rows; 64 KiB at 128, 96 at 256
// Source   Dao 2023 (arXiv 2307.08691), rows packed over the group as in flash-attention 3
template <class T, i32 kHeadDim>
DEVICE void run(const AttentionRunParams& params) {
  if (params.clears_padding) attention_rows::clear_padding(params);
  attention_rows::for_units(params, [&](i32 index) {
    attend_unit<T, kHeadDim>(params, attention_rows::unit_at(params, index));
  });
}

}  // namespace attention_prefill

#define PA_PREFILL(dtype, head_dim)                                                           \
  CU_KERNEL(paged_attention_prefill_##dtype##_d##head_dim,                                    \
            (attention_prefill::run<dtype, head_dim>), AttentionRunParams, kAttentionThreads, \
            attention_prefill_ctas(head_dim))
#define PA_PREFILL_DIMS(dtype) \
  PA_PREFILL(dtype, 64)        \
  PA_PREFILL(dtype, 80)        \
  PA_PREFILL(dtype, 96)        \
  PA_PREFILL(dtype, 128)       \
  PA_PREFILL(dtype, 256)
PA_PREFILL_DIMS(bf16)
PA_PREFILL_DIMS(f16)
#undef PA_PREFILL_DIMS
#undef PA_PREFILL
