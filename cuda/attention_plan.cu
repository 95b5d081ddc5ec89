// The work lists of the attention kernels, written on the device: lengths are never known to the
// host, so a captured graph is right for any.

#include <device.cuh>

#include "attention_params.h"
#include "attention_rows.cuh"

namespace attention_plan {

constexpr i32 kThreads = kAttentionPlanThreads;
constexpr i32 kWarps = kThreads / kWarpSize;
constexpr i32 kTile = kAttentionTilePositions;
// Split sizes that are tried where tiles alone do not fill the GPU, as eighths of the smallest.
constexpr i32 kCandidates = 32;
constexpr i32 kWholeContext = 1 << 30;

DEVICE i32 divide_up(i32 a, i32 b) { return (a + b - 1) / b; }

// The sum of the values of threads up to and including this one; all threads of the CTA.
// @param total  of all threads
// @param sums   shared, [kWarps]
DEVICE i32 inclusive_sum(i32 value, i32* sums, i32* total) {
  const i32 lane = i32(threadIdx.x) % kWarpSize;
  const i32 warp = i32(threadIdx.x) / kWarpSize;
#pragma unroll
  for (i32 delta = 1; delta < kWarpSize; delta *= 2) {
    const i32 other = shuffle_up(0xffffffffu, value, u32(delta));
    if (lane >= delta) value += other;
  }
  if (lane == kWarpSize - 1) sums[warp] = value;
  sync_cta();
  i32 before = 0;
  i32 all = 0;
#pragma unroll
  for (i32 w = 0; w < kWarps; w++) {
    if (w < warp) before += sums[w];
    all += sums[w];
  }
  *total = all;
  sync_cta();  // sums is free
  return before + value;
}

// One sequence's packed rows.
struct SequenceRows {
  i32 num_rows;  // packed
  i32 first_position;
};
DEVICE SequenceRows rows_of(const PagedAttentionParams& op, i32 sequence) {
  const i32 query_len = op.query_start[sequence + 1] - op.query_start[sequence];
  CU_ASSERT(query_len >= 0 && op.query_start[sequence + 1] <= op.num_tokens);
  return {query_len * (op.num_heads / op.cache.num_kv_heads),
          op.context_lens[sequence] - query_len};
}

// What the plan knows of a list while it is made.
struct List {
  const AttentionPlanParams& params;
  const AttentionWork& work;
  i32 group;
  i32* order;       // shared, [num_seqs] its sequences, the longest context first
  i32* first_tile;  // shared, [num_seqs + 1] of the sequence at that place in the order
  i32* sums;        // shared, [kWarps]
  i32 num_seqs;     // on the list
  i32 num_tiles;
};

// A tile of packed rows and the positions [begin, end) that some row of it sees.
struct Tile {
  i32 sequence;
  i32 first_row;
  i32 begin;  // a multiple of 64
  i32 end;
};
DEVICE Tile tile_at(const List& list, i32 index) {
  const PagedAttentionParams& op = list.params.op;
  i32 place = 0;  // the last one with first_tile <= index
  i32 past = list.num_seqs;
  while (past - place > 1) {
    const i32 middle = (place + past) / 2;
    if (list.first_tile[middle] <= index) {
      place = middle;
    } else {
      past = middle;
    }
  }
  Tile tile;
  tile.sequence = list.order[place];
  // The last tile of a sequence sees most, so it comes first.
  tile.first_row = (list.first_tile[place + 1] - 1 - index) * list.work.tile_rows;
  const SequenceRows rows = rows_of(op, tile.sequence);
  const i32 last_row = min_i32(tile.first_row + list.work.tile_rows, rows.num_rows) - 1;
  const i32 first = rows.first_position + tile.first_row / list.group;
  tile.end = max_i32(rows.first_position + last_row / list.group + 1, 0);
  tile.begin = attention_rows::low_of(op, first) / kTile * kTile;
  return tile;
}

// Orders the list's sequences by descending context, equal ones by number, and counts their tiles.
// @param keys  shared, [num_seqs]
DEVICE void order_sequences(List& list, i32* keys) {
  const PagedAttentionParams& op = list.params.op;
  for (i32 s = i32(threadIdx.x); s < op.num_seqs; s += kThreads) {
    const i32 num_rows = rows_of(op, s).num_rows;
    const bool is_decode = num_rows <= list.params.max_decode_rows;
    const bool is_on_list = num_rows > 0 && is_decode == (blockIdx.x == 0);
    keys[s] = is_on_list ? op.context_lens[s] : -1;
  }
  sync_cta();
  i32 num_mine = 0;
  for (i32 s = i32(threadIdx.x); s < op.num_seqs; s += kThreads) {
    if (keys[s] < 0) continue;
    i32 place = 0;
    for (i32 other = 0; other < op.num_seqs; other++) {
      place += keys[other] > keys[s] || (keys[other] == keys[s] && other < s);
    }
    list.order[place] = s;
    num_mine++;
  }
  inclusive_sum(num_mine, list.sums, &list.num_seqs);

  i32 num_before = 0;
  for (i32 first = 0; first < list.num_seqs; first += kThreads) {
    const i32 place = first + i32(threadIdx.x);
    const i32 count = place < list.num_seqs
                          ? divide_up(rows_of(op, list.order[place]).num_rows, list.work.tile_rows)
                          : 0;
    i32 total;
    const i32 sum = inclusive_sum(count, list.sums, &total);
    if (place < list.num_seqs) list.first_tile[place + 1] = num_before + sum;
    num_before += total;
  }
  if (threadIdx.x == 0) list.first_tile[0] = 0;
  list.num_tiles = num_before;
  sync_cta();
}

// Positions of all tiles together.
DEVICE i64 sum_of_work(const List& list, u64* shared_work) {
  u64 mine = 0;
  for (i32 i = i32(threadIdx.x); i < list.num_tiles; i += kThreads) {
    const Tile tile = tile_at(list, i);
    mine += u64(tile.end - tile.begin);
  }
#pragma unroll
  for (u32 delta = 1; delta < kWarpSize; delta *= 2) {
    mine += shuffle_xor(0xffffffffu, mine, delta);
  }
  if (threadIdx.x % kWarpSize == 0) shared_work[threadIdx.x / kWarpSize] = mine;
  sync_cta();
  u64 sum = 0;
#pragma unroll
  for (i32 w = 0; w < kWarps; w++) sum += shared_work[w];
  return i64(sum);
}

DEVICE i32 candidate_of(i32 smallest, i32 index) {
  if (index == kCandidates - 1) return kWholeContext;
  const i32 size = smallest + smallest / 8 * index;
  return divide_up(size, kTile) * kTile;
}

// Longest piece of a context that one CTA takes: what fills the GPU evenly, or the smallest larger
// size with which all units run at once.
// @param unit_counts  shared, [kCandidates]
DEVICE i32 split_size_of(const List& list, u64* shared_work, i32* unit_counts) {
  const i32 num_kv_heads = list.params.op.cache.num_kv_heads;
  const i64 per_cta = sum_of_work(list, shared_work) * num_kv_heads / list.work.num_ctas + 1;
  const i64 smallest = (per_cta + kTile - 1) / kTile * kTile;
  if (smallest >= kWholeContext) return kWholeContext;
  const i32 size = max_i32(i32(smallest), kAttentionMinSplitPositions);
  if (i64(list.num_tiles) * num_kv_heads >= list.work.num_ctas) return size;

  const i32 lane = i32(threadIdx.x) % kWarpSize;
  for (i32 c = i32(threadIdx.x) / kWarpSize; c < kCandidates; c += kWarps) {
    const i32 candidate = candidate_of(size, c);
    i32 count = 0;
    for (i32 i = lane; i < list.num_tiles; i += kWarpSize) {
      const Tile tile = tile_at(list, i);
      count += max_i32(divide_up(tile.end - tile.begin, candidate), 1);
    }
#pragma unroll
    for (u32 delta = 1; delta < kWarpSize; delta *= 2) {
      count += shuffle_xor(0xffffffffu, count, delta);
    }
    if (lane == 0) unit_counts[c] = count;
  }
  sync_cta();
  for (i32 c = 0; c < kCandidates; c++) {
    if (unit_counts[c] * num_kv_heads <= list.work.num_ctas) return candidate_of(size, c);
  }
  return size;
}

// The splits of one tile: positions [begin + i * size, begin + (i + 1) * size) within the tile's.
struct Splits {
  i32 first_begin;
  i32 size;
  i32 count;
};
DEVICE Splits splits_of(const Tile& tile, i32 max_size, bool is_deterministic) {
  const i32 length = tile.end - tile.begin;
  if (is_deterministic) {
    const i32 first = tile.begin / kAttentionSplitPositions;
    const i32 count = (tile.end - 1) / kAttentionSplitPositions - first + 1;  // 1 if end is 0
    return {first * kAttentionSplitPositions, kAttentionSplitPositions, count};
  }
  const i32 count = max_i32(divide_up(length, max_size), 1);
  const i32 size = max_i32(divide_up(divide_up(length, count), kTile) * kTile, kTile);
  return {tile.begin, size, max_i32(divide_up(length, size), 1)};
}

// Writes the items of all tiles, and zeros the tickets of those that are split. A tile stays whole
// where the partial results of its splits would not fit.
DEVICE void write_items(const List& list, i32 split_size) {
  const bool is_deterministic = list.params.is_deterministic;
  i32 num_items = 0;
  i32 num_partials = 0;
  for (i32 first = 0; first < list.num_tiles; first += kThreads) {
    const i32 index = first + i32(threadIdx.x);
    Tile tile = {};
    Splits splits = {};
    if (index < list.num_tiles) {
      tile = tile_at(list, index);
      splits = splits_of(tile, split_size, is_deterministic);
    }
    i32 total;
    const i32 wanted = splits.count > 1 ? splits.count : 0;
    const i32 last_partial = num_partials + inclusive_sum(wanted, list.sums, &total);
    const bool is_split = wanted > 0 && last_partial <= list.work.max_partials;
    num_partials += total;
    const i32 count = is_split ? splits.count : min_i32(splits.count, 1);
    const i32 end_item = num_items + inclusive_sum(count, list.sums, &total);
    num_items += total;
    for (i32 i = 0; i < count; i++) {
      const i32 place = end_item - count + i;
      CU_ASSERT(place < list.work.max_items);
      const i32 split_begin = splits.first_begin + i * splits.size;
      AttentionItem item;
      item.sequence = tile.sequence;
      item.first_row = tile.first_row;
      item.begin = is_split ? max_i32(tile.begin, split_begin) : tile.begin;
      item.end = is_split ? min_i32(tile.end, split_begin + splits.size) : tile.end;
      item.partial = is_split ? last_partial - count : -1;
      item.split = i;
      item.num_splits = count;
      list.work.items[place] = item;
    }
  }
  const i32 num_tickets =
      min_i32(num_partials, list.work.max_partials) * list.params.op.cache.num_kv_heads;
  for (i32 i = i32(threadIdx.x); i < num_tickets; i += kThreads) list.work.tickets[i] = 0;
  if (threadIdx.x == 0) *list.work.num_items = num_items;
}

// Cuts one step's attention into items: tiles of packed rows, their contexts split where tiles
// alone do not fill the GPU.
//
//   list 0: sequences of at most max_decode_rows packed rows, list 1: all others with rows
//
// Shapes   as in PagedAttentionParams and AttentionWork
// Grid     one CTA per list
// Needs    shared memory for 3 * num_seqs + 1 numbers
// Moves    some bytes per sequence and tile; latency is the cost
// Order    sequences by descending context, a sequence's last rows first; in deterministic mode
//          splits of 1,024 positions counted from 0, otherwise sized from all work and num_ctas
// Source   the device-side plans of flash-attention 3, sizes as in FlashInfer's
DEVICE void run(const AttentionPlanParams& params) {
  CU_DYNAMIC_SHARED(i32, memory);
  CU_SHARED(i32, sums, kWarps);
  CU_SHARED(u64, work, kWarps);
  CU_SHARED(i32, unit_counts, kCandidates);
  const i32 num_seqs = params.op.num_seqs;
  List list = {params,
               params.lists[blockIdx.x],
               params.op.num_heads / params.op.cache.num_kv_heads,
               memory,
               memory + num_seqs,
               sums,
               0,
               0};
  order_sequences(list, memory + 2 * num_seqs + 1);
  const i32 split_size =
      params.is_deterministic ? kAttentionSplitPositions : split_size_of(list, work, unit_counts);
  write_items(list, split_size);
}

}  // namespace attention_plan

CU_KERNEL(paged_attention_plan, attention_plan::run, AttentionPlanParams, kAttentionPlanThreads, 1)
