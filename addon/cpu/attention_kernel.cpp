// Paged attention over one kv head of a task: an online softmax over the tiles of a split, splits
// merged left to right (attention_merge.h).
//
//   score = (q . k) * scale, then softcap; K ascending, one accumulator, lanes are positions
//   max   lanewise over the tile's four vectors, then a tree; NaN never enters, it shows in the sum
//   p     exp(score - max), rounded to the cache's dtype for P . V, not for the sum
//   out   out * exp(old max - max), then P . V with positions ascending, lanes are head dims
//
// A row's arithmetic depends on its q, its position and the cached values it may see, on nothing
// else. What it may not see is replaced: scores by -inf after the product, and pairs of V past the
// row's limits are skipped for that row (0 times NaN is NaN, -0 + 0 is +0).

#include "attention_merge.h"
#include "attention_tile.h"
#include "dot.h"
#include "isa_kernels.h"

namespace cpu::PA_ISA {
namespace {

template <class Steps>
constexpr i32 x_row(i32 elems) {
  return elems / Steps::kElemsPerX;
}

// Everything the steps of one task share.
template <class Steps>
struct TaskContext {
  typedef typename Steps::X X;
  const PagedAttentionParams& params;
  const AttentionTask& task;
  const TaskRows rows;
  const i32 kv_head;
  const i32* table;
  const AttentionScratch& scratch;

  X* q() const { return reinterpret_cast<X*>(scratch.q); }
  X* p() const { return reinterpret_cast<X*>(scratch.p); }
};

template <class Steps>
void pack_queries(const TaskContext<Steps>& context) {
  const PagedAttentionParams& params = context.params;
  const i32 head_dim = params.cache.head_dim;
  const i32 group = context.rows.group;
  for (i32 i = 0; i < context.rows.num_rows; ++i) {
    const i64 first_head = i64(context.task.first_row + i) * params.num_heads + context.kv_head * group;
    for (i32 g = 0; g < group; ++g) {
      const f32* from = params.q + (first_head + g) * head_dim;
      typename Steps::X* to = context.q() + (i * group + g) * x_row<Steps>(kMaxHeadDim);
      for (i32 d = 0; d < head_dim; d += kLanes) store_x<Steps>(to, d, load(from + d));
    }
  }
}

template <class Steps>
void score_rows(const TaskContext<Steps>& context, i32 first, i32 end) {
  for (i32 r = first; r < end; r += kMaxRows) {
    Product product;
    product.x = context.q() + r * x_row<Steps>(kMaxHeadDim);
    product.w = context.scratch.key_tile;
    product.w_step = kTilePositions * 4;
    product.num_steps = context.params.cache.head_dim / Steps::kElemsPerStep;
    product.out = context.scratch.scores + i64(r) * kTilePositions;
    product.out_stride = kTilePositions;
    product.resume = false;
    const i32 num_rows = end - r < kMaxRows ? end - r : kMaxRows;
    multiply<Steps, kMaxHeadDim>(product, num_rows, kTilePositions / kLanes);
  }
}

// Turns one row head's scores of a tile, of which it sees lanes [begin, end), into probabilities, and
// scales what it summed before.
template <class Steps>
void softmax_row(const TaskContext<Steps>& context, const SoftmaxState& state, i32 row_head,
                 i32 begin, i32 end) {
  const PagedAttentionParams& params = context.params;
  const Vec hidden = broadcast(-__builtin_inff());
  const f32* scores = context.scratch.scores + i64(row_head) * kTilePositions;
  Vec s[kTilePositions / kLanes];
  Vec max_lanes = hidden;
  for (i32 v = 0; v < 4; ++v) {
    s[v] = load(scores + v * kLanes) * broadcast(params.scale);
    if (params.softcap > 0.0f) {
      const Vec cap = broadcast(params.softcap);
      s[v] = cap * tanh(s[v] / cap);
    }
    s[v] = keep_lanes(s[v], begin - v * kLanes, end - v * kLanes, hidden);
    max_lanes = max_or_second(s[v], max_lanes);
  }
  const f32 old_max = state.max[row_head];
  const f32 tile_max = reduce_max(max_lanes);
  const f32 max = tile_max > old_max ? tile_max : old_max;

  typename Steps::X* p = context.p() + row_head * x_row<Steps>(kTilePositions);
  for (i32 v = 0; v < 4; ++v) {
    s[v] = exp(s[v] - broadcast(max));
    store_x<Steps>(p, v * kLanes, s[v]);
  }
  const f32 sum = reduce_add((s[0] + s[1]) + (s[2] + s[3]));
  const Vec decay = exp(broadcast(old_max - max));
  state.max[row_head] = max;
  state.sum[row_head] = state.sum[row_head] * first_lane(decay) + sum;
  f32* out = state.out + i64(row_head) * params.cache.head_dim;
  for (i32 d = 0; d < params.cache.head_dim; d += kLanes) store(out + d, load(out + d) * decay);
}

// out += P . V of row heads [first, end) over steps [first_step, end_step) of the tile; `values`
// points at first_step.
template <class Steps>
void add_values(const TaskContext<Steps>& context, const SoftmaxState& state, i32 first, i32 end,
                i32 first_step, i32 end_step, const u8* values) {
  if (first_step >= end_step) return;
  const i32 head_dim = context.params.cache.head_dim;
  for (i32 r = first; r < end; r += kMaxRows) {
    Product product;
    product.x = context.p() + r * x_row<Steps>(kTilePositions) + x_row<Steps>(first_step * Steps::kElemsPerStep);
    product.w = values;
    product.w_step = i64(head_dim) * 4;
    product.num_steps = end_step - first_step;
    product.out = state.out + i64(r) * head_dim;
    product.out_stride = head_dim;
    product.resume = true;
    const i32 num_rows = end - r < kMaxRows ? end - r : kMaxRows;
    multiply<Steps, kTilePositions>(product, num_rows, head_dim / kLanes);
  }
}

// The pair of V at `step` with the position that the row does not see replaced by +0.
template <class Steps>
void add_masked_pair(const TaskContext<Steps>& context, const SoftmaxState& state, i32 first,
                     i32 end, i32 step, u32 kept_half) {
  const i32 head_dim = context.params.cache.head_dim;
  const u8* pair = context.scratch.value_tile + i64(step) * head_dim * 4;
  f32* masked = reinterpret_cast<f32*>(context.scratch.masked_pair);
  for (i32 d = 0; d < head_dim; d += kLanes) {
    store(masked + d, as_float(load_pairs(pair + d * 4) & broadcast_int(i32(kept_half))));
  }
  add_values(context, state, first, end, step, step + 1, context.scratch.masked_pair);
}

// out += P . V of row heads that all see exactly positions [begin, end) of the tile.
template <class Steps>
void add_seen_values(const TaskContext<Steps>& context, const SoftmaxState& state, i32 first_head,
                     i32 end_head, i32 begin, i32 end) {
  constexpr i32 kStepLen = Steps::kElemsPerStep;
  const i32 first_step = (begin + kStepLen - 1) / kStepLen;
  const i32 end_step = end / kStepLen;
  if (begin % kStepLen != 0) {
    add_masked_pair(context, state, first_head, end_head, begin / kStepLen, 0xffff0000u);
  }
  const i64 step_bytes = i64(context.params.cache.head_dim) * 4;
  add_values(context, state, first_head, end_head, first_step, end_step,
             context.scratch.value_tile + first_step * step_bytes);
  if (end % kStepLen != 0) {
    add_masked_pair(context, state, first_head, end_head, end / kStepLen, 0x0000ffffu);
  }
}

// One tile of the online softmax for all rows that see some of it.
template <class Steps>
void attend_tile(const TaskContext<Steps>& context, const SoftmaxState& state, i32 tile) {
  const TaskRows& rows = context.rows;
  const i32 group = rows.group;
  const RowRange range = rows_of_position_tile(rows, tile);
  if (range.begin >= range.end) return;
  stage_tile(context.params.cache, context.table, context.params.layer, context.kv_head, tile,
             rows.low(range.begin), rows.position(range.end - 1) + 1, context.scratch.key_tile,
             context.scratch.value_tile);
  score_rows(context, range.begin * group, range.end * group);

  const auto begin_of = [&](i32 row) { return rows.low(row) > tile ? rows.low(row) - tile : 0; };
  const auto end_of = [&](i32 row) {
    const i32 seen = rows.position(row) + 1 - tile;
    return seen < kTilePositions ? seen : kTilePositions;
  };
  i32 first = range.begin;  // rows [first, row] see the same positions
  for (i32 row = range.begin; row < range.end; ++row) {
    const i32 begin = begin_of(row);
    const i32 end = end_of(row);
    for (i32 g = 0; g < group; ++g) softmax_row(context, state, row * group + g, begin, end);
    const i32 next = row + 1;
    if (next < range.end && begin_of(next) == begin && end_of(next) == end) continue;
    add_seen_values(context, state, first * group, next * group, begin, end);
    first = next;
  }
}

template <class Steps>
void attend_split(const TaskContext<Steps>& context, const SoftmaxState& state, i32 split) {
  const TaskRows& rows = context.rows;
  const i32 row_heads = rows.num_rows * rows.group;
  for (i32 r = 0; r < row_heads; ++r) {
    state.max[r] = -__builtin_inff();
    state.sum[r] = 0.0f;
  }
  memset(state.out, 0, size_t(row_heads) * size_t(context.params.cache.head_dim) * sizeof(f32));

  const i32 split_begin = split * kSplitPositions;
  const i32 first_tile = rows.low(0) / kTilePositions * kTilePositions;
  const i32 end = rows.position(rows.num_rows - 1) + 1;
  i32 tile = first_tile > split_begin ? first_tile : split_begin;
  for (; tile < end && tile < split_begin + kSplitPositions; tile += kTilePositions) {
    attend_tile(context, state, tile);
  }
}

template <class Steps>
void attend_task(const PagedAttentionParams& params, const AttentionTask& task, i32 kv_head,
                 i32 first_split, i32 end_split, void* memory, const SoftmaxState* partial) {
  const TaskRows rows(params, task);
  const AttentionScratch scratch(memory, params.cache.head_dim, rows.num_rows * rows.group);
  const i32* table = params.block_tables + params.table_rows[task.sequence] * params.table_stride;
  const TaskContext<Steps> context = {params, task, rows, kv_head, table, scratch};
  pack_queries(context);
  if (partial != nullptr) return attend_split(context, *partial, first_split);
  for (i32 split = first_split; split < end_split; ++split) {
    attend_split(context, scratch.split, split);
    merge_split(rows, params.cache.head_dim, scratch.total, scratch.split, split);
  }
  finish_rows(params, task, kv_head, scratch.total);
}

}  // namespace

const i32 kAttentionRowHeads = 4 * kMaxRows;

size_t attention_scratch_bytes(i32 head_dim, i32 max_row_heads) {
  return AttentionScratch(nullptr, head_dim, max_row_heads).bytes;
}

void attend(const PagedAttentionParams& params, const AttentionTask& task, i32 kv_head,
            i32 first_split, i32 end_split, void* scratch, const SoftmaxState* partial) {
  const DType dtype = params.cache.dtype;
  const auto attend_as = dtype == kBF16  ? attend_task<Bf16Steps>
                         : dtype == kF16 ? attend_task<F16Steps>
                                         : attend_task<F32Steps>;
  attend_as(params, task, kv_head, first_split, end_split, scratch, partial);
}

void merge_splits(const PagedAttentionParams& params, const AttentionTask& task, i32 kv_head,
                  i32 first_split, i32 end_split, const SoftmaxState* partials, void* memory) {
  const TaskRows rows(params, task);
  const AttentionScratch scratch(memory, params.cache.head_dim, rows.num_rows * rows.group);
  for (i32 split = first_split; split < end_split; ++split) {
    merge_split(rows, params.cache.head_dim, scratch.total, partials[split - first_split], split);
  }
  finish_rows(params, task, kv_head, scratch.total);
}

}  // namespace cpu::PA_ISA
