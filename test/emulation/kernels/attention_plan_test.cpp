// The work lists of attention: every row meets every position it sees once, whatever the lengths.

#include "../../../addon/cuda/attention_op.h"
#include "../compare.h"
#include "../emulated_launcher.h"
#include "kv_fixture.h"

using emulation::DeviceArray;
using emulation::EmulatedLauncher;

namespace {

struct Lens {
  std::vector<i32> query, context;
  i32 num_rows() const { return std::accumulate(query.begin(), query.end(), 0); }
};

struct PlanCase {
  i32 num_kv_heads = 2;
  i32 group = 4;
  i32 window = -1;
  i32 max_decode_rows = kAttentionDecodeRows;
  bool is_deterministic = false;
  i32 num_ctas = 24;
  i32 max_partials = 24;  // 2 * num_ctas / num_kv_heads
};

struct Lists {
  std::vector<AttentionItem> items[2];
};

// Plans with exactly sized arrays; the tickets of all splits must come back as zeros.
Lists plan(const PlanCase& c, const Lens& lens) {
  std::vector<i32> start = {0};
  for (const i32 query_len : lens.query) start.push_back(start.back() + query_len);
  const DeviceArray<i32> query_start(start), context_lens(lens.context);
  const i32 num_seqs = i32(lens.query.size());
  AttentionPlanParams params = {};
  params.op.query_start = query_start.data();
  params.op.context_lens = context_lens.data();
  params.op.num_seqs = num_seqs;
  params.op.num_tokens = start.back();
  params.op.num_heads = c.num_kv_heads * c.group;
  params.op.cache.num_kv_heads = c.num_kv_heads;
  params.op.window = c.window;
  params.max_decode_rows = c.max_decode_rows;
  params.is_deterministic = c.is_deterministic;
  std::vector<DeviceArray<i32>> counts;
  std::vector<DeviceArray<AttentionItem>> items;
  std::vector<DeviceArray<u32>> tickets;
  for (const i32 list : {0, 1}) {
    const i32 tile_rows = list == 0 ? kAttentionDecodeRows : kAttentionPrefillRows;
    const i32 max_items = start.back() * c.group / tile_rows + num_seqs + c.max_partials;
    counts.emplace_back(1);
    items.emplace_back(size_t(max_items));
    tickets.emplace_back(size_t(c.max_partials * c.num_kv_heads), 77u);
    params.lists[list] = {counts.back().data(),
                          items.back().data(),
                          tickets.back().data(),
                          max_items,
                          c.max_partials,
                          c.num_ctas,
                          tile_rows};
  }
  EmulatedLauncher launcher(c.is_deterministic);
  kv_fixture::check_ok(launcher.launch(
      "paged_attention_plan",
      {.x = 2, .threads = kAttentionPlanThreads, .shared_bytes = u32(3 * num_seqs + 1) * 4},
      params));
  Lists lists;
  for (const i32 list : {0, 1}) {
    const std::vector<AttentionItem> all = items[size_t(list)].download();
    lists.items[list].assign(all.begin(), all.begin() + counts[size_t(list)].download()[0]);
    const std::vector<u32> zeroed = tickets[size_t(list)].download();
    for (const AttentionItem& item : lists.items[list]) {
      for (i32 head = 0; item.partial >= 0 && head < c.num_kv_heads; ++head) {
        CHECK_EQUAL(zeroed[size_t(item.partial * c.num_kv_heads + head)], 0u);
      }
    }
  }
  return lists;
}

i32 low_of(const PlanCase& c, i32 position) {
  return c.window < 0 || position < c.window ? 0 : position - c.window;
}

// The items of one tile of packed rows: neighbours in the list that join up.
void check_tile(const PlanCase& c, const Lens& lens, const std::vector<AttentionItem>& splits,
                i32 tile_rows) {
  const AttentionItem& first = splits.front();
  const i32 query_len = lens.query[size_t(first.sequence)];
  const i32 first_position = lens.context[size_t(first.sequence)] - query_len;
  const i32 last_row = std::min(first.first_row + tile_rows, query_len * c.group) - 1;
  const i32 end = std::max(first_position + last_row / c.group + 1, 0);
  const i32 low = low_of(c, first_position + first.first_row / c.group);
  CHECK_EQUAL(splits.back().end, end);
  CHECK(end == 0 || (first.begin <= low && first.begin > low - 64));
  CHECK_EQUAL(first.first_row % tile_rows, 0);
  for (size_t i = 0; i < splits.size(); ++i) {
    CHECK_EQUAL(splits[i].split, i32(i));
    CHECK_EQUAL(splits[i].num_splits, i32(splits.size()));
    CHECK_EQUAL(splits[i].begin % 64, 0);
    CHECK(splits.size() == 1 || splits[i].end > splits[i].begin);
    if (i > 0) CHECK_EQUAL(splits[i].begin, splits[i - 1].end);
    const i32 length = splits[i].end - splits[i].begin;
    if (splits.size() > 1 && c.is_deterministic) {
      CHECK(length <= kAttentionSplitPositions);
      CHECK(i == 0 || splits[i].begin % kAttentionSplitPositions == 0);
    } else if (i + 1 < splits.size()) {
      CHECK(length % 64 == 0 && length >= kAttentionMinSplitPositions / 2);
    }
  }
}

void check_plan(const PlanCase& c, const Lens& lens) {
  const Lists lists = plan(c, lens);
  std::vector<i32> rows_covered(lens.query.size());
  for (const i32 list : {0, 1}) {
    const i32 tile_rows = list == 0 ? kAttentionDecodeRows : kAttentionPrefillRows;
    const std::vector<AttentionItem>& items = lists.items[list];
    std::vector<bool> partial_used(size_t(c.max_partials));
    i32 last_context = INT32_MAX;
    for (size_t i = 0; i < items.size();) {
      const size_t s = size_t(items[i].sequence);
      const i32 num_rows = lens.query[s] * c.group;
      CHECK_EQUAL(num_rows <= c.max_decode_rows, list == 0);
      CHECK(lens.context[s] <= last_context);
      last_context = std::max(lens.context[s], 0);
      const size_t count = size_t(items[i].num_splits);
      if (count == 0 || i + count > items.size()) {
        check::fail(__FILE__, __LINE__, "a tile's splits are not all there");
        return;
      }
      check_tile(c, lens, {items.begin() + i64(i), items.begin() + i64(i + count)}, tile_rows);
      CHECK_EQUAL(items[i].partial >= 0, count > 1);
      for (size_t k = 0; items[i].partial >= 0 && k < count; ++k) {
        const size_t partial = size_t(items[i].partial) + k;
        CHECK_EQUAL(items[i + k].partial, items[i].partial);
        CHECK(partial < partial_used.size() && !partial_used[partial]);
        if (partial < partial_used.size()) partial_used[partial] = true;
      }
      rows_covered[s] += std::min(tile_rows, num_rows - items[i].first_row);
      i += count;
    }
  }
  for (size_t s = 0; s < lens.query.size(); ++s) {
    CHECK_EQUAL(rows_covered[s], lens.query[s] * c.group);
  }
  emulation::note_exact_case("paged_attention_plan");
}

Lens draw_lens(Random& random, i32 num_seqs, i32 max_context) {
  Lens lens;
  for (i32 s = 0; s < num_seqs; ++s) {
    const i32 kind = random.below(6);
    // Some prompts begin before position 0, whole tiles of them.
    const i32 context = random.below(kind == 0 ? 3 : kind == 5 ? 60 : max_context);
    lens.context.push_back(context);
    lens.query.push_back(kind == 1                ? 0
                         : kind == 2 || kind == 5 ? 1 + random.below(60)
                         : kind == 3              ? 1 + random.below(5)
                                                  : 1);
  }
  return lens;
}

}  // namespace

TEST("a plan of attention gives every row each position it sees once") {
  Random random(emulation::run_seed());
  for (i32 i = 0; i < 60; ++i) {
    PlanCase c;
    c.num_kv_heads = 1 + random.below(8);
    c.group = 1 + random.below(9);
    c.window = random.below(2) == 0 ? -1 : random.below(3000);
    c.max_decode_rows = i % 3 == 0 ? 16 : i % 3 == 1 ? INT32_MAX : 0;
    c.is_deterministic = random.below(2) == 0;
    c.num_ctas = 1 + random.below(300);
    c.max_partials = 2 * c.num_ctas / c.num_kv_heads;
    const Lens lens = draw_lens(random, random.below(40), i % 4 == 0 ? 100000 : 3000);
    const check::Case scope(check::text("case ", i, ", kv heads ", c.num_kv_heads, ", group ",
                                        c.group, ", window ", c.window, ", CTAs ", c.num_ctas,
                                        ", deterministic ", c.is_deterministic));
    check_plan(c, lens);
  }
}

TEST("a plan of attention takes more sequences and tiles than it has threads") {
  Random random(emulation::run_seed() + 1);
  PlanCase c;
  check_plan(c, draw_lens(random, 700, 5000));
  Lens prompts;
  prompts.context = {20000, 9000};
  prompts.query = {6000, 9000};
  check_plan(c, prompts);
}

TEST("a plan of attention splits a lone long context over all CTAs, an even batch not at all") {
  PlanCase c;
  c.num_kv_heads = 8;
  c.num_ctas = 264;
  c.max_partials = 66;
  const Lists lone = plan(c, {{1}, {32768}});
  CHECK(lone.items[0].size() >= 28 && lone.items[0].size() <= 33);
  Lens even;
  even.query.assign(64, 1);
  even.context.assign(64, 4096);
  CHECK_EQUAL(plan(c, even).items[0].size(), size_t(64));
  CHECK_EQUAL(plan(c, {{1}, {256}}).items[0].size(), size_t(2));  // of 128, the shortest
}

TEST("a plan of attention leaves contexts whole where one CTA has 2^33 positions") {
  PlanCase c;
  c.num_kv_heads = c.group = c.num_ctas = 1;
  c.max_partials = 64;
  for (const AttentionItem& item : plan(c, {{1 << 20}, {1 << 20}}).items[1]) {
    CHECK_EQUAL(item.num_splits, 1);
  }
}
