// Paged attention of few query rows: up to 16 packed rows share each read of K and V.

#include "attention_finish.cuh"
#include "attention_stream.cuh"

namespace attention_decode {

using attention_rows::Unit;

constexpr i32 kRows = kAttentionDecodeRows;
constexpr i32 kWarps = kAttentionThreads / kWarpSize;

// What a warp knows of its rows.
template <class T, i32 kHeadDim>
struct WarpRows {
  attention_tile::Query<T, kHeadDim> query;
  attention_softmax::RowSpan spans[2];
  attention_rows::CommonSpan common;
};

// Reads q and the rows' spans. From head_dim 256 on q lies at `shared_query`, written by all warps
// of the CTA together.
template <class T, i32 kHeadDim, i32 kNumWarps>
DEVICE void load_rows(WarpRows<T, kHeadDim>& rows, const AttentionRunParams& params,
                      const Unit& unit, u8* shared_query) {
  const i32 lane = i32(threadIdx.x) % kWarpSize;
  if constexpr (attention_shares_query(kHeadDim)) {
    rows.query.fragments = reinterpret_cast<Vec16*>(shared_query) + lane;
    attention_rows::load_query<T, kHeadDim>(rows.query, params, unit, 0,
                                            i32(threadIdx.x) / kWarpSize, kNumWarps);
    sync_cta();
  } else {
    attention_rows::load_query<T, kHeadDim>(rows.query, params, unit, 0, 0, 1);
  }
  rows.spans[0] = attention_rows::span_of(params.op, unit, lane / 4);
  rows.spans[1] = attention_rows::span_of(params.op, unit, lane / 4 + 8);
  rows.common = attention_rows::common_span_of(params.op, unit);
}

// Takes kPieces * 16 positions, whose K and V come from the stream one after the other.
template <class T, i32 kHeadDim, i32 kPieces, class Stream>
DEVICE void attend_step(const AttentionRunParams& params, const WarpRows<T, kHeadDim>& rows,
                        Stream& stream, i32 position, attention_softmax::State<kHeadDim>& state) {
  f32 scores[2 * kPieces][4];
  u32 weights[kPieces][4];
#pragma unroll
  for (i32 p = 0; p < kPieces; p++) {
    attention_tile::score_pieces<T, kHeadDim, 1>(scores + 2 * p, rows.query, stream.next());
  }
  if (params.op.softcap > 0.0f) {
    attention_softmax::cap_scores(scores, params.op.softcap, params.cap_factor);
  }
  const i32 last = position + kPieces * attention_tile::kPieceRows - 1;
  if (position < rows.common.low || last > rows.common.high) {
    attention_softmax::mask_scores(scores, position, rows.spans);
  }
  attention_softmax::take_scores<T>(state, scores, params.log2_factor, weights);
#pragma unroll
  for (i32 p = 0; p < kPieces; p++) {
    attention_tile::add_values<T, kHeadDim, 1>(state.out, weights + p, stream.next());
  }
}

// What the warps of a CTA leave for each other at the end of a unit.
struct WarpResults {
  f32* out;     // [kWarps, kRows, head_dim] in the warps' rings
  f32* maxima;  // [kWarps, kRows]
  f32* sums;    // [kWarps, kRows]; then the weight of each warp's out
  f32* keeps;   // [kRows] what the sink leaves of a row
};

// Puts this warp's state where all can read it.
template <i32 kHeadDim>
DEVICE void share_state(const WarpResults& results, i32 out_stride,
                        const attention_softmax::State<kHeadDim>& state) {
  const i32 lane = i32(threadIdx.x) % kWarpSize;
  const i32 warp = i32(threadIdx.x) / kWarpSize;
  sync_warp();  // the warp's ring is read
#pragma unroll
  for (i32 r = 0; r < 2; r++) {
    const i32 row = lane / 4 + r * 8;
    f32* const out = results.out + warp * out_stride + row * kHeadDim + lane % 4 * 2;
#pragma unroll
    for (i32 n = 0; n < kHeadDim / 8; n++) {
      *reinterpret_cast<f32x2*>(out + n * 8) = {state.out[n][2 * r], state.out[n][2 * r + 1]};
    }
    const f32 sum = attention_softmax::sum_of_row(state.sum[r]);
    if (lane % 4 == 0) {
      results.maxima[warp * kRows + row] = state.max[r];
      results.sums[warp * kRows + row] = sum;
    }
  }
}

// Turns the warps' sums of one row into the weights of their outs, and notes the row's lse.
DEVICE void weigh_warps(const AttentionRunParams& params, const Unit& unit,
                        const WarpResults& results, i32 row) {
  const PagedAttentionParams& op = params.op;
  f32 max = -kInfinity;
  for (i32 w = 0; w < kWarps; w++) max = max_f32(max, results.maxima[w * kRows + row]);
  const f32 base = max == -kInfinity ? 0.0f : max * params.log2_factor;
  f32 weights[kWarps];
  f32 sum = 0.0f;
#pragma unroll
  for (i32 w = 0; w < kWarps; w++) {
    weights[w] = exp2_fast(fma_f32(results.maxima[w * kRows + row], params.log2_factor, -base));
    sum = fma_f32(weights[w], results.sums[w * kRows + row], sum);
  }
  const f32 inverse = sum == 0.0f ? 0.0f : 1.0f / sum;
#pragma unroll
  for (i32 w = 0; w < kWarps; w++) results.sums[w * kRows + row] = weights[w] * inverse;
  const f32 lse = fma_f32(max, params.natural_factor, log_f32(sum));  // -inf where max is
  if (unit.item.partial >= 0) {
    const i64 partial = attention_merge::partial_of(params, unit, unit.item.split);
    params.partial_rows[(partial * kRows + row) * 2] = lse;
    return;
  }
  const attention_merge::Weights sink =
      attention_merge::sink_weights(op, attention_rows::head_of(unit, row), lse);
  results.keeps[row] = sink.keep;
  if (op.lse != nullptr) op.lse[attention_rows::row_head_of(op, unit, row)] = sink.lse;
}

// Adds the warps' outs up, in their order, and writes the rows out or leaves a partial result.
template <i32 kHeadDim>
DEVICE void join_warps(const AttentionRunParams& params, const Unit& unit,
                       const WarpResults& results, i32 out_stride) {
  constexpr i32 kVecs = kHeadDim / 4;
  for (i32 i = i32(threadIdx.x); i < unit.num_rows * kVecs; i += kAttentionThreads) {
    const i32 row = i / kVecs;
    const i32 dim = i % kVecs * 4;
    f32x4 out = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll
    for (i32 w = 0; w < kWarps; w++) {
      const f32x4 part =
          *reinterpret_cast<const f32x4*>(results.out + w * out_stride + row * kHeadDim + dim);
      const f32 weight = results.sums[w * kRows + row];
      out = {fma_f32(part.x, weight, out.x), fma_f32(part.y, weight, out.y),
             fma_f32(part.z, weight, out.z), fma_f32(part.w, weight, out.w)};
    }
    if (unit.item.partial >= 0) {
      const i64 partial = attention_merge::partial_of(params, unit, unit.item.split);
      *reinterpret_cast<f32x4*>(params.partial_out + (partial * kRows + row) * kHeadDim + dim) =
          out;
      continue;
    }
    const i64 to = attention_rows::row_head_of(params.op, unit, row) * kHeadDim + dim;
    const f32 keep = results.keeps[row];
    attention_merge::store_pair(params.op, to, out.x * keep, out.y * keep);
    attention_merge::store_pair(params.op, to + 2, out.z * keep, out.w * keep);
  }
}

template <class T, i32 kHeadDim>
DEVICE void attend_unit(const AttentionRunParams& params, const Unit& unit) {
  constexpr i32 kSlots = attention_decode_slots(kHeadDim);
  constexpr i32 kRingBytes = kSlots * attention_tile::kPieceRows * attention_row_pitch(kHeadDim);
  constexpr i32 kOutStride = kRingBytes / i32(sizeof(f32));
  static_assert(kRingBytes >= kRows * kHeadDim * i32(sizeof(f32)), "a warp's out fits its ring");
  CU_DYNAMIC_SHARED(u8, memory);
  CU_SHARED(f32, maxima, kWarps * kRows);
  CU_SHARED(f32, sums, kWarps * kRows);
  CU_SHARED(f32, keeps, kRows);
  const i32 warp = i32(threadIdx.x) / kWarpSize;

  WarpRows<T, kHeadDim> rows;
  load_rows<T, kHeadDim, kWarps>(rows, params, unit, memory + kWarps * kRingBytes);
  attention_softmax::State<kHeadDim> state;
  state.clear();
  const i32 begin = unit.item.begin + warp * attention_tile::kPieceRows;
  const i32 num_steps =
      (unit.item.end - begin + kAttentionTilePositions - 1) / kAttentionTilePositions;
  attention_stream::Stream<kHeadDim, kSlots, attention_tile::kPieceRows, 1> stream(
      attention_rows::head_cache_of(params, unit), ptx::shared_address(memory + warp * kRingBytes),
      begin, num_steps);
  for (i32 step = 0; step < num_steps; step++) {
    attend_step<T, kHeadDim, 1>(params, rows, stream, begin + step * kAttentionTilePositions,
                                state);
  }

  const WarpResults results = {reinterpret_cast<f32*>(memory), maxima, sums, keeps};
  share_state(results, kOutStride, state);
  sync_cta();
  if (i32(threadIdx.x) < unit.num_rows) {
    weigh_warps(params, unit, results, i32(threadIdx.x));
  }
  sync_cta();
  join_warps<kHeadDim>(params, unit, results, kOutStride);
  if (unit.item.partial >= 0 && attention_merge::is_last_split(params, unit)) {
    attention_merge::merge_splits<kHeadDim, kRows, kAttentionThreads>(params, unit);
  }
  sync_cta();  // shared memory is free for the next unit
}

// Attends with up to 16 packed rows of one kv head; splits of a context run side by side.
//
//   out[r] = sum over p in [low(r), position(r)] of softmax(cap(scale * q[r] . k[p]))[p] * v[p]
//
// Shapes   as in PagedAttentionParams; packed row r of a sequence is query row r / group, head
//          r % group of the group
// Grid     work.num_ctas CTAs of 4 warps that walk the plan's units; warp w takes the 16 positions
//          from 16 * w on of every 64, with an online softmax of its own
// Needs    K and V tiles [block_size][head_dim], block_size a power of two from 8, 16-byte strides;
//          no table entry past ceil(context_len / block_size) is read
// Moves    4 * head_dim bytes per position and kv head, once: memory bandwidth is the ceiling
// Order    per warp ascending, warps in order, splits in order; the size of a split depends on all
//          work of the step
// Math     q rounded to the cache's dtype; products and sums in f32, weights rounded for P . V
// Shared   attention_decode_bytes(head_dim): K and V slots of 16 rows; 64 KiB at 128, 72 at 256
// Source   flash-decoding (Dao et al. 2023); last split merges as in CUDA's threadFenceReduction
template <class T, i32 kHeadDim>
DEVICE void run(const AttentionRunParams& params) {
  if (params.clears_padding) attention_rows::clear_padding(params);
  attention_rows::for_units(params, [&](i32 index) {
    attend_unit<T, kHeadDim>(params, attention_rows::unit_at(params, index));
  });
}

template <class T, i32 kHeadDim>
DEVICE void attend_unit_fixed(const AttentionRunParams& params, const Unit& unit) {
  constexpr i32 kSlots = attention_fixed_slots(kHeadDim);
  constexpr i32 kPieces = kAttentionTilePositions / attention_tile::kPieceRows;
  CU_DYNAMIC_SHARED(u8, memory);
  WarpRows<T, kHeadDim> rows;
  load_rows<T, kHeadDim, 1>(
      rows, params, unit,
      memory + kSlots * attention_tile::kPieceRows * attention_row_pitch(kHeadDim));
  attention_softmax::State<kHeadDim> state;
  f32 lse[2];
  attention_finish::attend_splits<kHeadDim, kAttentionFixedThreads>(
      params, unit, state, lse, [&](i32 begin, i32 end) {
        const i32 num_steps = (end - begin + kAttentionTilePositions - 1) / kAttentionTilePositions;
        sync_warp();  // the ring is free
        attention_stream::Stream<kHeadDim, kSlots, attention_tile::kPieceRows, kPieces> stream(
            attention_rows::head_cache_of(params, unit), ptx::shared_address(memory), begin,
            num_steps);
        for (i32 step = 0; step < num_steps; step++) {
          attend_step<T, kHeadDim, kPieces>(params, rows, stream,
                                            begin + step * kAttentionTilePositions, state);
        }
      });
  attention_finish::finish_rows<kHeadDim, kRows, kAttentionFixedThreads>(params, unit, state, lse,
                                                                         0);
}

// The same in the order of deterministic mode: a warp per split of 1,024 positions, or per context,
// and the arithmetic of prefill, so that a row's bits depend on its q, position and cache only.
//
// Shapes   as run()
// Grid     work.num_ctas CTAs of 1 warp
// Needs    as run()
// Moves    as run()
// Order    tiles of 64 positions counted from 0, splits of 1,024 joined left to right
// Math     as run()
// Shared   attention_fixed_bytes(head_dim): 32 KiB at 128, 48 at 256
// Source   docs/architecture.md, on what keeps a hit from changing an answer
template <class T, i32 kHeadDim>
DEVICE void run_fixed(const AttentionRunParams& params) {
  if (params.clears_padding) attention_rows::clear_padding(params);
  attention_rows::for_units(params, [&](i32 index) {
    attend_unit_fixed<T, kHeadDim>(params, attention_rows::unit_at(params, index));
  });
}

}  // namespace attention_decode

#define PA_DECODE(dtype, head_dim)                                                           \
  CU_KERNEL(paged_attention_decode_##dtype##_d##head_dim,                                    \
            (attention_decode::run<dtype, head_dim>), AttentionRunParams, kAttentionThreads, \
            attention_decode_ctas(head_dim))                                                 \
  CU_KERNEL(paged_attention_decode_##dtype##_d##head_dim##_fixed,                            \
            (attention_decode::run_fixed<dtype, head_dim>), AttentionRunParams,              \
            kAttentionFixedThreads, kAttentionFixedCtas)
#define PA_DECODE_DIMS(dtype) \
  PA_DECODE(dtype, 64)        \
  PA_DECODE(dtype, 80)        \
  PA_DECODE(dtype, 96)        \
  PA_DECODE(dtype, 128)       \
  PA_DECODE(dtype, 256)
PA_DECODE_DIMS(bf16)
PA_DECODE_DIMS(f16)
#undef PA_DECODE_DIMS
#undef PA_DECODE
