// Matrix products of at most 8 rows: the weight is read once, straight into tensor-core fragments.

#include <device.cuh>
#include <ptx.cuh>

#include "matmul_params.h"

namespace matmul_few_rows {

constexpr i32 kElemsPerVec = 8;
constexpr i32 kPieces =
    kFewRowsDepth / 32;        // 16-byte pieces of one row that a lane takes at a time
constexpr i32 kSumPitch = 20;  // f32 between rows of x in shared memory: 16 and no bank conflict

// Where a lane reads: outputs g and g + 8 of its warp and row g of x, g = lane / 4; of each 32
// elements of K, the 8 from first_k on. Past the last output or row it reads the last one again,
// and what comes of that is not stored.
template <class T>
struct LanePlace {
  const T* weight[2];
  const T* x;
  i32 first_k;
};

// What one lane holds of kFewRowsDepth elements of K. The weight is the left operand, 16 outputs
// high, x the right one, 8 rows wide. A product sums over K in any order that both operands share,
// so a lane's 8 neighbouring elements serve as its 4 pairs of two products.
struct Fragments {
  Vec16 weight[kPieces][2];
  Vec16 x[kPieces];
};

template <class T>
DEVICE Vec16 elements(const T* from, i32 count) {
  Vec16 vec;
#pragma unroll
  for (i32 pair = 0; pair < 4; pair++) {
    const u32 low = 2 * pair < count ? from[2 * pair].bits : 0;
    const u32 high = 2 * pair + 1 < count ? from[2 * pair + 1].bits : 0;
    vec.words[pair] = low | high << 16;
  }
  return vec;
}

// Reads K [k, k + kFewRowsDepth), zeros past in_dim; kIsWhole: all of it is inside.
template <class T, bool kIsAligned, bool kIsWhole>
DEVICE void load(Fragments& fragments, const LanePlace<T>& place, i32 k, i32 in_dim) {
#pragma unroll
  for (i32 piece = 0; piece < kPieces; piece++) {
    const i32 at = k + piece * 32;
    const i32 count = kIsWhole ? kElemsPerVec : in_dim - at - place.first_k;
    const bool is_inside = kIsWhole || count > 0;
    for (i32 half = 0; half < 2; half++) {
      fragments.weight[piece][half] = is_inside ? ld16_stream(place.weight[half] + at) : Vec16{};
    }
    if (kIsAligned) {
      fragments.x[piece] = is_inside ? ld16(place.x + at) : Vec16{};
    } else {
      fragments.x[piece] = elements(place.x + at, count);
    }
  }
}

template <class T>
DEVICE void multiply(f32 (&sums)[4], const Fragments& fragments) {
#pragma unroll
  for (i32 piece = 0; piece < kPieces; piece++) {
    const Vec16(&weight)[2] = fragments.weight[piece];
#pragma unroll
    for (i32 word = 0; word < 4; word += 2) {
      const u32 a[4] = {weight[0].words[word], weight[1].words[word], weight[0].words[word + 1],
                        weight[1].words[word + 1]};
      const u32 b[2] = {fragments.x[piece].words[word], fragments.x[piece].words[word + 1]};
      ptx::mma_m16n8k16<T>(sums, a, b);
    }
  }
}

DEVICE void store_as(DType dtype, void* out, i64 at, f32 value) {
  if (dtype == kF32) static_cast<f32*>(out)[at] = value;
  if (dtype == kF16) static_cast<f16*>(out)[at] = from_f32<f16>(value);
  if (dtype == kBF16) static_cast<bf16*>(out)[at] = from_f32<bf16>(value);
}

// Adds the slices of each output in order, then the bias, and writes the outputs that exist.
DEVICE void reduce_and_store(const MatmulFewRowsPlan& plan, const f32* sums) {
  const MatmulParams& params = plan.params;
  const i32 out_dim = params.weight.out_dim;
  const i32 num_tiles = kFewRowsWarps / plan.num_slices;
  for (i32 i = i32(threadIdx.x); i < num_tiles * kMaxFewRows * kFewRowsOutputs;
       i += kFewRowsWarps * kWarpSize) {
    const i32 output = i % kFewRowsOutputs;
    const i32 row = i / kFewRowsOutputs % kMaxFewRows;
    const i32 tile = i / (kFewRowsOutputs * kMaxFewRows);
    const i32 col = (i32(blockIdx.x) * num_tiles + tile) * kFewRowsOutputs + output;
    if (row >= params.num_rows || col >= out_dim) continue;
    f32 sum = 0.0f;
    for (i32 slice = 0; slice < plan.num_slices; slice++) {
      const i32 warp = tile * plan.num_slices + slice;
      sum += sums[(warp * kMaxFewRows + row) * kSumPitch + output];
    }
    if (params.bias != nullptr) sum += params.bias[col];
    store_as(params.out_dtype, params.out, i64(row) * out_dim + col, sum);
  }
}

// Adds the products of one warp's slice of K: every num_slices-th piece of kFewRowsDepth elements,
// the next one being read while one is multiplied.
template <class T, bool kIsAligned>
DEVICE void sum_slice(f32 (&sums)[4], const LanePlace<T>& place, i32 slice, i32 num_slices,
                      i32 in_dim) {
  const i32 num_whole = in_dim / kFewRowsDepth;
  Fragments even;
  Fragments odd;
  i32 at = slice;
  if (at < num_whole) load<T, kIsAligned, true>(even, place, at * kFewRowsDepth, in_dim);
  while (at < num_whole) {
    const i32 next = at + num_slices;
    if (next < num_whole) load<T, kIsAligned, true>(odd, place, next * kFewRowsDepth, in_dim);
    multiply<T>(sums, even);
    at = next;
    if (at >= num_whole) break;
    const i32 after = at + num_slices;
    if (after < num_whole) load<T, kIsAligned, true>(even, place, after * kFewRowsDepth, in_dim);
    multiply<T>(sums, odd);
    at = after;
  }
  if (at == num_whole && num_whole * kFewRowsDepth < in_dim) {
    load<T, kIsAligned, false>(even, place, at * kFewRowsDepth, in_dim);
    multiply<T>(sums, even);
  }
}

// out = x . weight^T + bias for num_rows <= kMaxFewRows
//
// Shapes   as in MatmulParams; weight rows are weight_pitch elements apart, zeros past in_dim
// Grid     a warp takes kFewRowsOutputs outputs of all rows; num_slices warps share their K, taking
//          kFewRowsDepth elements in turn. A CTA has kFewRowsWarps / num_slices groups of outputs
// Needs    weight 16-byte aligned; kIsAligned: x too, and in_dim % 8 == 0
// Moves    2 * out_dim * in_dim bytes of weight, once, 8 16-byte loads in flight per lane while 8
//          more are multiplied: bandwidth is the ceiling. x comes from L1
// Order    by slices and lanes: not the order of matmul, and the same for any num_rows
// Math     bf16 or f16 products, f32 sums; the bias is added last
// Shared   one f32 per warp, row and output: 5 KiB
template <class T, bool kIsAligned>
DEVICE void run(const MatmulFewRowsPlan& plan) {
  CU_SHARED(f32, sums, kFewRowsWarps * kMaxFewRows * kSumPitch);
  const MatmulParams& params = plan.params;
  CU_ASSERT(params.num_rows >= 1 && params.num_rows <= kMaxFewRows);
  const i32 warp = i32(threadIdx.x) / kWarpSize;
  const i32 lane = i32(threadIdx.x) % kWarpSize;
  const i32 tile = i32(blockIdx.x) * (kFewRowsWarps / plan.num_slices) + warp / plan.num_slices;
  const i32 in_dim = params.weight.in_dim;

  LanePlace<T> place;
  place.first_k = lane % 4 * kElemsPerVec;
  const i32 row = min_i32(lane / 4, params.num_rows - 1);
  place.x = static_cast<const T*>(params.x) + i64(row) * in_dim + place.first_k;
  for (i32 half = 0; half < 2; half++) {
    const i32 output = tile * kFewRowsOutputs + lane / 4 + half * 8;
    const i32 weight_row = min_i32(output, params.weight.out_dim - 1);
    place.weight[half] = static_cast<const T*>(params.weight.data) +
                         i64(weight_row) * plan.weight_pitch + place.first_k;
  }

  f32 mine[4] = {};
  sum_slice<T, kIsAligned>(mine, place, warp % plan.num_slices, plan.num_slices, in_dim);
  f32* const to = sums + (warp * kMaxFewRows + lane % 4 * 2) * kSumPitch + lane / 4;
  to[0] = mine[0];
  to[kSumPitch] = mine[1];
  to[8] = mine[2];
  to[kSumPitch + 8] = mine[3];
  sync_cta();
  reduce_and_store(plan, sums);
}

}  // namespace matmul_few_rows

CU_KERNEL(matmul_few_rows_bf16, (matmul_few_rows::run<bf16, true>), MatmulFewRowsPlan, 256, 2)
CU_KERNEL(matmul_few_rows_f16, (matmul_few_rows::run<f16, true>), MatmulFewRowsPlan, 256, 2)
CU_KERNEL(matmul_few_rows_bf16_unaligned, (matmul_few_rows::run<bf16, false>), MatmulFewRowsPlan,
          256, 1)
CU_KERNEL(matmul_few_rows_f16_unaligned, (matmul_few_rows::run<f16, false>), MatmulFewRowsPlan, 256,
          1)
