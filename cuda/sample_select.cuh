#pragma once
// Finds cuts in the order of candidates (falling score, then rising id) without sorting a row: the
// first candidate at which a running count, or a running sum of masses, reaches a goal.
//
// A radix select: a histogram over 2,048 bins says in which bin the goal is reached; a bin of few
// candidates is searched by comparing them with each other, a larger one is split by the next bits
// of its keys; in a bin of one key the ids decide. Masses are weights as whole multiples of 2^-44,
// so that their sums are exact and have no order: atomics may add them up.
//
// Barriers: `result` is written after a barrier of its own function and read after the next one, so
// functions may follow each other without one between them.

#include <device.cuh>

#include "sample_row.cuh"

namespace sample_select {

using sample_row::kThreads;
using sample_row::kWarps;
using sample_row::Scores;

constexpr i32 kBins = 2048;
constexpr i32 kBinsPerThread = kBins / kThreads;
constexpr i32 kListCapacity = 512;
constexpr f32 kMassUnit = 0x1p44f;  // of weight 1; smaller weights than 2^-44 have no mass
constexpr f32 kFirstBins = 64.0f;   // bins of the first histogram per unit of score: 32 units

static_assert(kListCapacity <= kThreads, "one thread for each candidate of the list");
static_assert((u64(kMaxSampleVocab) << 44) >> 44 == kMaxSampleVocab,
              "the masses of a row fit 64 bits");

// The candidates to select from: those with a mass, or all.
struct Candidates {
  Scores scores;
  f32 top;  // the largest score
  bool need_mass;
};

// What is added up on the way to a goal.
struct Total {
  u64 count;
  u64 mass;
};

// A candidate, and the totals of all up to and including it.
struct Cut {
  u32 key;
  i32 id;
  Total through;
};

// Shared memory of a selection.
struct Memory {
  u32* counts;       // [kBins]
  u32* mass_low;     // [kBins]
  u32* mass_high;    // [kBins]
  u64* list;         // [kListCapacity] key << 32 | id
  u64* list_mass;    // [kListCapacity]
  u64* warp_totals;  // [2 * kWarps]
  u64* result;       // [4]
  u32* list_count;   // [1]
};

// The part of the candidates that a search is down to: one bin of the first histogram, and then
// those whose key has the bits `prefix` above `shift`.
struct Range {
  i32 first_bin;  // -1: all
  u32 shift;      // 32: all keys
  u32 prefix;
};

DEVICE u64 mass_of(f32 score) { return u64(sample_math::exp_of(score) * kMassUnit); }
DEVICE u32 key_of(f32 score) { return ~sample_row::ordered(score); }

DEVICE i32 first_bin_of(const Candidates& candidates, f32 score) {
  const f32 distance = candidates.top - score;
  return distance < f32(kBins) / kFirstBins ? i32(distance * kFirstBins) : kBins - 1;
}

// Calls visit(id, score, key, mass) for the candidates of a range; a thread's ids ascend.
template <class Visit>
DEVICE void for_each_in(const Candidates& candidates, const Range& range, Visit visit) {
  const Scores& scores = candidates.scores;
  sample_row::for_each_value(scores.values, scores.count, [&](i32 id, f32 value) {
    const f32 score = scores.of(value);
    if (range.first_bin >= 0 && first_bin_of(candidates, score) != range.first_bin) return;
    const u32 key = key_of(score);
    if (range.shift < 32 && key >> range.shift != range.prefix) return;
    const u64 mass = candidates.need_mass ? mass_of(score) : 0;
    if (candidates.need_mass && mass == 0) return;
    visit(id, score, key, mass);
  });
}

// Adds to a 64-bit number in two halves; the order of additions does not show in the result.
DEVICE void add_mass(const Memory& memory, i32 bin, u64 mass) {
  const u32 low = u32(mass);
  const u32 old = atomic_add(&memory.mass_low[bin], low);
  const u32 high = u32(mass >> 32) + (old + low < old ? 1 : 0);
  if (high != 0) atomic_add(&memory.mass_high[bin], high);
}

// Fills the histogram of a range: by distance from the top, or by the next bits of the keys.
DEVICE void fill_histogram(const Candidates& candidates, const Range& range, u32 next_shift,
                           const Memory& memory) {
  sync_cta();  // what was read of the last histogram
  for (i32 bin = i32(threadIdx.x); bin < kBins; bin += kThreads) {
    memory.counts[bin] = memory.mass_low[bin] = memory.mass_high[bin] = 0;
  }
  sync_cta();
  for_each_in(candidates, range, [&](i32, f32 score, u32 key, u64 mass) {
    const i32 bin = range.first_bin < 0 ? first_bin_of(candidates, score)
                                        : i32((key >> next_shift) % u32(kBins));
    atomic_add(&memory.counts[bin], 1u);
    if (mass != 0) add_mass(memory, bin, mass);
  });
  sync_cta();
}

DEVICE Total bin_total(const Memory& memory, i32 bin) {
  return {memory.counts[bin], (u64(memory.mass_high[bin]) << 32) | memory.mass_low[bin]};
}

// The totals of the threads before this one.
DEVICE Total total_before(Total mine, const Memory& memory) {
  Total through = mine;
  const i32 lane = i32(threadIdx.x % kWarpSize);
#pragma unroll
  for (u32 distance = 1; distance < kWarpSize; distance *= 2) {
    const u64 count = shuffle_up(0xffffffffu, through.count, distance);
    const u64 mass = shuffle_up(0xffffffffu, through.mass, distance);
    if (lane < i32(distance)) continue;
    through.count += count;
    through.mass += mass;
  }
  const i32 warp = i32(threadIdx.x / kWarpSize);
  if (lane == kWarpSize - 1) {
    memory.warp_totals[warp * 2] = through.count;
    memory.warp_totals[warp * 2 + 1] = through.mass;
  }
  sync_cta();
  for (i32 i = 0; i < warp; i++) {
    through.count += memory.warp_totals[i * 2];
    through.mass += memory.warp_totals[i * 2 + 1];
  }
  return {through.count - mine.count, through.mass - mine.mass};
}

// Totals of the histogram; all threads get them.
DEVICE Total histogram_total(const Memory& memory) {
  Total mine = {0, 0};
  for (i32 i = 0; i < kBinsPerThread; i++) {
    const Total bin = bin_total(memory, i32(threadIdx.x) * kBinsPerThread + i);
    mine.count += bin.count;
    mine.mass += bin.mass;
  }
  const Total before = total_before(mine, memory);
  if (threadIdx.x == kThreads - 1) {
    memory.result[0] = before.count + mine.count;
    memory.result[1] = before.mass + mine.mass;
  }
  sync_cta();
  return {memory.result[0], memory.result[1]};
}

DEVICE u64 measure(Total total, bool by_mass) { return by_mass ? total.mass : total.count; }

// The bin in which `base` plus the running total reaches `goal`; `base` becomes the total before
// it. All threads get both, and the bin's count.
DEVICE i32 find_bin(u64 goal, bool by_mass, Total* base, u32* count, const Memory& memory) {
  Total mine = {0, 0};
  for (i32 i = 0; i < kBinsPerThread; i++) {
    const Total bin = bin_total(memory, i32(threadIdx.x) * kBinsPerThread + i);
    mine.count += bin.count;
    mine.mass += bin.mass;
  }
  const Total before = total_before(mine, memory);
  Total at = {base->count + before.count, base->mass + before.mass};
  const u64 mine_end = measure(at, by_mass) + measure(mine, by_mass);
  if (measure(at, by_mass) < goal && goal <= mine_end) {
    i32 bin = i32(threadIdx.x) * kBinsPerThread;
    for (;; bin++) {
      const Total own = bin_total(memory, bin);
      if (goal <= measure(at, by_mass) + measure(own, by_mass)) break;
      at.count += own.count;
      at.mass += own.mass;
    }
    memory.result[0] = u64(bin);
    memory.result[1] = at.count;
    memory.result[2] = at.mass;
  }
  sync_cta();
  const i32 found = i32(memory.result[0]);
  *base = {memory.result[1], memory.result[2]};
  *count = memory.counts[found];
  return found;
}

// The cut among at most kListCapacity candidates: each thread adds up those before its own.
DEVICE Cut search_list(const Candidates& candidates, const Range& range, u64 goal, bool by_mass,
                       Total base, const Memory& memory) {
  if (threadIdx.x == 0) memory.list_count[0] = 0;
  sync_cta();
  for_each_in(candidates, range, [&](i32 id, f32, u32 key, u64 mass) {
    const u32 at = atomic_add(&memory.list_count[0], 1u);
    CU_ASSERT(at < u32(kListCapacity));
    memory.list[at] = (u64(key) << 32) | u32(id);
    memory.list_mass[at] = mass;
  });
  sync_cta();
  const u32 count = memory.list_count[0];
  if (threadIdx.x < count) {
    const u64 own = memory.list[threadIdx.x];
    const Total mine = {1, memory.list_mass[threadIdx.x]};
    Total at = base;
    for (u32 i = 0; i < count; i++) {
      if (memory.list[i] >= own) continue;
      at.count += 1;
      at.mass += memory.list_mass[i];
    }
    const u64 before = measure(at, by_mass);
    if (before < goal && goal <= before + measure(mine, by_mass)) {
      memory.result[0] = own;
      memory.result[1] = at.count + 1;
      memory.result[2] = at.mass + mine.mass;
    }
  }
  sync_cta();
  const u64 found = memory.result[0];
  return {u32(found >> 32), i32(u32(found)), {memory.result[1], memory.result[2]}};
}

// The cut among candidates of one key, which all have one mass: a number of them in order of ids.
DEVICE Cut search_ties(const Candidates& candidates, u32 key, u64 goal, bool by_mass, Total base,
                       const Memory& memory) {
  const Scores& scores = candidates.scores;
  const f32 score = sample_row::from_ordered(~key);
  const u64 mass = candidates.need_mass ? mass_of(score) : 0;
  const u64 missing = goal - measure(base, by_mass);
  const u64 rank = by_mass ? (missing + mass - 1) / mass : missing;  // from 1

  const i32 ids_per_thread = (scores.count + kThreads - 1) / kThreads;
  const i32 first = min_i32(scores.count, i32(threadIdx.x) * ids_per_thread);
  const i32 end = min_i32(scores.count, first + ids_per_thread);
  Total mine = {0, 0};
  for (i32 id = first; id < end; id++) {
    if (key_of(scores.of(scores.values[id])) == key) mine.count += 1;
  }
  u64 at = total_before(mine, memory).count;
  if (at < rank && rank <= at + mine.count) {
    i32 id = first;
    for (;; id++) {
      if (key_of(scores.of(scores.values[id])) == key && ++at == rank) break;
    }
    memory.result[0] = u64(id);
  }
  sync_cta();
  return {key, i32(memory.result[0]), {base.count + rank, base.mass + rank * mass}};
}

// The first candidate at which the running count or mass reaches `goal`, which is at least 1 and at
// most that of all candidates. All threads get it. `has_histogram`: the first histogram is of these
// candidates already; says whether it still is.
DEVICE Cut find_cut(const Candidates& candidates, u64 goal, bool by_mass, bool* has_histogram,
                    const Memory& memory) {
  constexpr u32 kDigitBits = 11;
  static_assert(1 << kDigitBits == kBins, "a bin for each value of a digit");
  Range range = {-1, 32, 0};
  if (!*has_histogram) fill_histogram(candidates, range, 0, memory);
  *has_histogram = true;
  Total base = {0, 0};
  u32 count = 0;
  range.first_bin = find_bin(goal, by_mass, &base, &count, memory);
  while (count > u32(kListCapacity) && range.shift > 0) {
    const u32 next_shift = range.shift == 32
                               ? 32 - kDigitBits
                               : (range.shift > kDigitBits ? range.shift - kDigitBits : 0);
    fill_histogram(candidates, range, next_shift, memory);
    *has_histogram = false;
    const u32 bin = u32(find_bin(goal, by_mass, &base, &count, memory));
    const u32 digit_bits = range.shift - next_shift;
    range.prefix =
        range.shift == 32 ? bin : (range.prefix << digit_bits) | (bin & ((1u << digit_bits) - 1));
    range.shift = next_shift;
  }
  if (count > u32(kListCapacity)) {
    return search_ties(candidates, range.prefix, goal, by_mass, base, memory);
  }
  return search_list(candidates, range, goal, by_mass, base, memory);
}

}  // namespace sample_select
