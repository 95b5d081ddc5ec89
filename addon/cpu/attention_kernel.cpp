// Paged attention over some kv heads of a task: an online softmax over the tiles of a split, splits
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
#include "attention_softmax.h"
#include "attention_tile.h"
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
  const HeadPlace place;
  const AttentionScratch scratch;  // this head's
  LinesAhead* ahead;

  X* q() const { return reinterpret_cast<X*>(scratch.q); }
  X* p() const { return reinterpret_cast<X*>(scratch.p); }
};

template <class Steps>
void pack_queries(const TaskContext<Steps>& context) {
  const PagedAttentionParams& params = context.params;
  const i32 head_dim = params.cache.head_dim;
  const i32 group = context.rows.group;
  for (i32 i = 0; i < context.rows.num_rows; ++i) {
    const i64 first_head =
        i64(context.task.first_row + i) * params.num_heads + context.kv_head * group;
    for (i32 g = 0; g < group; ++g) {
      const f32* from = params.q + (first_head + g) * head_dim;
      typename Steps::X* to = context.q() + (i * group + g) * x_row<Steps>(kMaxHeadDim);
      for (i32 d = 0; d < head_dim; d += kLanes) Steps::store_x(to, d, load(from + d));
    }
  }
}

template <class Steps>
void score_rows(const TaskContext<Steps>& context, const TileView& view, i32 first, i32 end) {
  const Segment segment = {view.keys, context.place.key_steps()};
  for (i32 r = first; r < end; r += kMaxRows) {
    Product product;
    product.x = context.q() + r * x_row<Steps>(kMaxHeadDim);
    product.segments = &segment;
    product.num_segments = 1;
    product.w_step = view.key_step;
    product.vector_offsets = view.key_offsets + view.first_vector;
    product.out = context.scratch.scores + i64(r) * kTilePositions + view.first_vector * kLanes;
    product.out_stride = kTilePositions;
    product.resume = false;
    product.row_scale = nullptr;
    product.ahead = context.ahead;
    const i32 num_rows = end - r < kMaxRows ? end - r : kMaxRows;
    multiply<Steps, kMaxHeadDim, true>(product, num_rows, view.end_vector - view.first_vector);
  }
}

// The pair of V at `step`, the position that a row does not see replaced by +0; gives its place.
template <class Steps>
const u8* mask_pair(const TaskContext<Steps>& context, const TileView& view, i32 step,
                    u32 kept_half, i32 place) {
  const i32 head_dim = context.params.cache.head_dim;
  const u8* pair = value_step<Steps>(view, head_dim, step);
  u8* masked = context.scratch.masked_pairs + i64(place) * head_dim * 4;
  for (i32 d = 0; d < head_dim; d += kLanes) {
    const VecI values = load_pairs(pair + d * 4) & broadcast_int(i32(kept_half));
    store(reinterpret_cast<f32*>(masked) + d, as_float(values));
  }
  return masked;
}

// out = out * decay + P . V of row heads [first, end), which all see exactly positions [seen_begin,
// seen_end) of the tile.
template <class Steps>
void add_values(const TaskContext<Steps>& context, const SoftmaxState& state, const TileView& view,
                i32 first, i32 end, i32 seen_begin, i32 seen_end) {
  constexpr i32 kStepLen = Steps::kElemsPerStep;
  const i32 head_dim = context.params.cache.head_dim;
  const i32 first_step = seen_begin / kStepLen;
  const i32 whole_begin = (seen_begin + kStepLen - 1) / kStepLen;
  const i32 whole_end = seen_end / kStepLen;
  Segment segments[kTilePieces + 2];
  i32 count = 0;
  if (first_step < whole_begin) {
    segments[count++] = {mask_pair(context, view, first_step, 0xffff0000u, 0), 1};
  }
  if (whole_begin < whole_end) {
    count += value_segments<Steps>(view, head_dim, whole_begin, whole_end, segments + count);
  }
  if (seen_end % kStepLen != 0) {
    segments[count++] = {mask_pair(context, view, whole_end, 0x0000ffffu, 1), 1};
  }
  for (i32 r = first; r < end; r += kMaxRows) {
    Product product;
    product.x =
        context.p() + r * x_row<Steps>(kTilePositions) + x_row<Steps>(first_step * kStepLen);
    product.segments = segments;
    product.num_segments = count;
    product.w_step = i64(head_dim) * 4;
    product.vector_offsets = kSideBySide.offsets;
    product.out = state.out + i64(r) * head_dim;
    product.out_stride = head_dim;
    product.resume = true;
    product.row_scale = context.scratch.decay + r;
    product.ahead = context.ahead;
    const i32 num_rows = end - r < kMaxRows ? end - r : kMaxRows;
    multiply<Steps, kTilePositions, true>(product, num_rows, head_dim / kLanes);
  }
}

// Positions of the tile that a row sees, counted from the tile's first.
struct SeenRange {
  i32 begin, end;
  bool operator==(const SeenRange& other) const { return begin == other.begin && end == other.end; }
};
SeenRange seen_of_tile(const TaskRows& rows, i32 row, i32 tile) {
  const i32 begin = rows.low(row) - tile;
  const i32 end = rows.position(row) + 1 - tile;
  return {begin > 0 ? begin : 0, end < kTilePositions ? end : kTilePositions};
}

// Chunks of the next tile asked for with each pass over a row's scores: with a row or two the softmax
// takes as long as the products, and memory would rest meanwhile.
constexpr i32 kChunksPerPass = 4;

template <class Steps>
void softmax_rows(const TaskContext<Steps>& context, const SoftmaxState& state, RowRange range,
                  i32 tile) {
  const AttentionScratch& scratch = context.scratch;
  const i32 group = context.rows.group;
  for (i32 row = range.begin; row < range.end; ++row) {
    const SeenRange seen = seen_of_tile(context.rows, row, tile);
    for (i32 r = row * group; r < (row + 1) * group; ++r) {
      context.ahead->ask_chunks(kChunksPerPass);
      scratch.tile_max[r] = finish_scores(context.params, scratch.scores + i64(r) * kTilePositions,
                                          seen.begin, seen.end);
    }
  }
  const i32 first = range.begin * group;
  const i32 end = range.end * group;
  update_maxima(state, first, end, scratch.tile_max, scratch.decay);
  for (i32 r = first; r < end; ++r) {
    context.ahead->ask_chunks(kChunksPerPass);
    const f32 sum = exp_scores<Steps>(scratch.scores + i64(r) * kTilePositions, state.max[r],
                                      context.p() + r * x_row<Steps>(kTilePositions));
    state.sum[r] = state.sum[r] * scratch.decay[r] + sum;
  }
}

// One tile of the online softmax for all rows that see some of it.
template <class Steps>
void attend_tile(const TaskContext<Steps>& context, const SoftmaxState& state, i32 tile) {
  const TaskRows& rows = context.rows;
  const i32 group = rows.group;
  const RowRange range = rows_of_position_tile(rows, tile);
  if (range.begin >= range.end) return;
  const i32 begin = seen_of_tile(rows, range.begin, tile).begin;
  const i32 end = seen_of_tile(rows, range.end - 1, tile).end;
  const TileView view = view_tile(context.place, tile, begin, end,
                                  (range.end - range.begin) * group, context.scratch.staged_keys);
  score_rows(context, view, range.begin * group, range.end * group);
  softmax_rows(context, state, range, tile);

  i32 first = range.begin;  // rows [first, row] see the same positions
  for (i32 row = range.begin; row < range.end; ++row) {
    const SeenRange seen = seen_of_tile(rows, row, tile);
    if (row + 1 < range.end && seen_of_tile(rows, row + 1, tile) == seen) continue;
    add_values(context, state, view, first * group, (row + 1) * group, seen.begin, seen.end);
    first = row + 1;
  }
}

void clear_state(const SoftmaxState& state, i32 row_heads, i32 head_dim) {
  for (i32 r = 0; r < row_heads; ++r) {
    state.max[r] = -__builtin_inff();
    state.sum[r] = 0.0f;
  }
  memset(state.out, 0, size_t(row_heads) * size_t(head_dim) * sizeof(f32));
}

// One item on one thread.
template <class Steps>
struct ItemContext {
  const PagedAttentionParams& params;
  const AttentionTask& task;
  const AttentionItem& item;
  const TaskRows rows;
  const AttentionScratch scratch;  // of all heads
  const SoftmaxState* partials;

  i32 row_heads() const { return rows.num_rows * rows.group; }
  i32 head_dim() const { return params.cache.head_dim; }
  HeadPlace place(i32 kv_head) const {
    const i32* table = params.block_tables + params.table_rows[task.sequence] * params.table_stride;
    return {params.cache, table, params.layer, kv_head};
  }
  TaskContext<Steps> head(i32 kv_head, LinesAhead* ahead) const {
    const i64 row_head = i64(kv_head - item.first_head) * row_heads();
    return {params, task, rows, kv_head, place(kv_head), scratch.of_head(row_head, head_dim()),
            ahead};
  }
  SoftmaxState split_state(i32 kv_head) const {
    const i32 index = kv_head - item.first_head;
    if (item.partial >= 0) return partials[item.partial + index * item.partial_stride];
    return state_from(scratch.split, i64(index) * row_heads(), head_dim());
  }
};

// The tiles of a split, and of each all heads one after the other.
template <class Steps>
void attend_split(const ItemContext<Steps>& context, i32 split) {
  const TaskRows& rows = context.rows;
  const AttentionItem& item = context.item;
  for (i32 head = item.first_head; head < item.end_head; ++head) {
    clear_state(context.split_state(head), context.row_heads(), context.head_dim());
  }
  const i32 split_begin = split * kSplitPositions;
  const i32 first_tile = rows.low(0) / kTilePositions * kTilePositions;
  const i32 seen_end = rows.position(rows.num_rows - 1) + 1;
  const i64 item_end = i64(item.end_split) * kSplitPositions;
  const i32 end = seen_end < item_end ? seen_end : i32(item_end);
  LinesAhead ahead;
  i32 tile = first_tile > split_begin ? first_tile : split_begin;
  for (; tile < end && tile < split_begin + kSplitPositions; tile += kTilePositions) {
    for (i32 head = item.first_head; head < item.end_head; ++head) {
      const bool is_last_head = head + 1 == item.end_head;
      const i32 next_tile = is_last_head ? tile + kTilePositions : tile;
      const i32 next_head = is_last_head ? item.first_head : head + 1;
      const i32 unseen = rows.low(0) - next_tile;
      const i32 left = end - next_tile;
      ahead.clear();
      if (left > 0) {
        ask_for_tile(context.place(next_head), next_tile, unseen > 0 ? unseen : 0,
                     left < kTilePositions ? left : kTilePositions, &ahead);
      }
      attend_tile(context.head(head, &ahead), context.split_state(head), tile);
    }
  }
}

template <class Steps>
void attend_item(const PagedAttentionParams& params, const AttentionTask& task,
                 const AttentionItem& item, void* memory, const SoftmaxState* partials) {
  const TaskRows rows(params, task);
  const i32 row_heads = rows.num_rows * rows.group;
  const i32 num_heads = item.end_head - item.first_head;
  const ItemContext<Steps> context = {
      params,
      task,
      item,
      rows,
      AttentionScratch(memory, params.cache.head_dim, row_heads * num_heads),
      partials};
  for (i32 head = item.first_head; head < item.end_head; ++head) {
    pack_queries(context.head(head, nullptr));
  }
  for (i32 split = item.first_split; split < item.end_split; ++split) {
    attend_split(context, split);
    if (item.partial >= 0) return;
    for (i32 head = item.first_head; head < item.end_head; ++head) {
      merge_split(rows, context.head_dim(), context.head(head, nullptr).scratch.total,
                  context.split_state(head), split);
    }
  }
  for (i32 head = item.first_head; head < item.end_head; ++head) {
    finish_rows(params, task, head, context.head(head, nullptr).scratch.total);
  }
}

}  // namespace

const i32 kAttentionRowHeads = 4 * kMaxRows;
const i32 kAttentionStreamingRowHeads = kMaxRows;

size_t attention_scratch_bytes(i32 head_dim, i32 max_row_heads) {
  return AttentionScratch(nullptr, head_dim, max_row_heads).bytes;
}

void attend(const PagedAttentionParams& params, const AttentionTask& task,
            const AttentionItem& item, void* scratch, const SoftmaxState* partials) {
  const DType dtype = params.cache.dtype;
  const auto attend_as = dtype == kBF16  ? attend_item<Bf16Steps>
                         : dtype == kF16 ? attend_item<F16Steps>
                                         : attend_item<F32Steps>;
  attend_as(params, task, item, scratch, partials);
}

void merge_splits(const PagedAttentionParams& params, const AttentionTask& task,
                  const AttentionItem& item, const SoftmaxState* partials, void* memory) {
  const TaskRows rows(params, task);
  const AttentionScratch scratch(memory, params.cache.head_dim, rows.num_rows * rows.group);
  for (i32 head = item.first_head; head < item.end_head; ++head) {
    const SoftmaxState* states =
        partials + item.partial + (head - item.first_head) * item.partial_stride;
    for (i32 split = item.first_split; split < item.end_split; ++split) {
      merge_split(rows, params.cache.head_dim, scratch.total, states[split - item.first_split],
                  split);
    }
    finish_rows(params, task, head, scratch.total);
  }
}

}  // namespace cpu::PA_ISA
