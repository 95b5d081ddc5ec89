// Drawing one token per row of logits: the CPU backend's steps in the CPU backend's order.

#include <device.cuh>

#include "sample_math.cuh"
#include "sample_params.h"
#include "sample_row.cuh"
#include "sample_select.cuh"

namespace sampling {

using sample_row::kThreads;
using sample_row::Scan;
using sample_row::Scores;
using sample_row::WalkMemory;
using sample_select::Candidates;
using sample_select::Cut;

// Shared memory of the CTA.
struct Memory {
  sample_select::Memory select;
  WalkMemory walk;
};

DEVICE bool changes_logits(const SamplingSlotView& slot) {
  const SamplingParams& p = slot.params;
  return slot.num_biases > 0 || p.repetition_penalty != 1.0f || p.presence_penalty != 0.0f ||
         p.frequency_penalty != 0.0f;
}

// A logit of a token that the prompt or the output has.
DEVICE f32 penalised(f32 logit, i32 count, const SamplingParams& p) {
  logit = logit > 0.0f ? logit / p.repetition_penalty : logit * p.repetition_penalty;
  if (count == 0) return logit;
  // The product is rounded once and not fused into the sum: through f64, where it is exact.
  const f32 frequency = f32(double(p.frequency_penalty) * double(f32(count)));
  return logit - (frequency + p.presence_penalty);
}

// masked = logits, with those of all tokens that the mask forbids at -inf.
DEVICE void mask(const u32* token_mask, const f32* logits, i32 vocab_size, f32* masked) {
  sample_row::for_each_value(logits, vocab_size, [&](i32 id, f32 logit) {
    const bool is_allowed = ((token_mask[id / 32] >> (id % 32)) & 1u) != 0;
    masked[id] = is_allowed ? logit : -kInfinity;
  });
  sync_cta();
}

// adjusted = logits with bias, then penalties; in place where both are one row. An id that is biased
// twice gets both, in any order.
DEVICE void adjust(const SamplingSlotView& slot, const f32* logits, i32 vocab_size, f32* adjusted) {
  if (logits != adjusted) {
    sample_row::for_each_value(logits, vocab_size,
                               [&](i32 id, f32 logit) { adjusted[id] = logit; });
    sync_cta();
  }
  for (i32 i = i32(threadIdx.x); i < slot.num_biases; i += kThreads) {
    CU_ASSERT(slot.bias_ids[i] >= 0 && slot.bias_ids[i] < vocab_size);
    atomic_add(&adjusted[slot.bias_ids[i]], slot.bias_values[i]);
  }
  sync_cta();
  if (slot.output_counts == nullptr && slot.in_prompt == nullptr) return;
  for (i32 id = i32(threadIdx.x); id < vocab_size; id += kThreads) {
    const i32 count = slot.output_counts != nullptr ? max_i32(slot.output_counts[id], 0) : 0;
    const bool in_prompt = slot.in_prompt != nullptr && slot.in_prompt[id] != 0;
    if (count > 0 || in_prompt) adjusted[id] = penalised(adjusted[id], count, slot.params);
  }
  sync_cta();
}

// The mass of the candidates whose weight is at least `least`; all threads get it.
DEVICE u64 mass_at_least(const Scores& scores, f32 least, const sample_select::Memory& memory) {
  sample_select::Total mine = {0, 0};
  sample_row::for_each_value(scores.values, scores.count, [&](i32, f32 value) {
    const f32 score = scores.of(value);
    if (sample_math::exp_of(score) >= least) mine.mass += sample_select::mass_of(score);
  });
  const sample_select::Total before = sample_select::total_before(mine, memory);
  if (threadIdx.x == kThreads - 1) memory.result[0] = before.mass + mine.mass;
  sync_cta();
  return memory.result[0];
}

// The least whole mass that is at least `share`, in (0, 1], of `total`.
DEVICE u64 share_of(f32 share, u64 total) {
  const double exact = double(share) * double(total);
  const u64 whole = u64(exact);
  const u64 goal = double(whole) < exact ? whole + 1 : whole;
  return goal < total ? goal : total;
}

// Draws among what top-k, min-p and top-p leave, in order of falling scores. Each filter keeps the
// beginning of that order, so each is a mass: what is drawn is where the last mass is reached.
DEVICE i32 draw_by_score(const Scores& scores, const SamplingParams& p, double uniform,
                         const sample_select::Memory& memory) {
  const Candidates candidates = {scores, 0.0f, true};
  sample_select::fill_histogram(candidates, {-1, 32, 0}, 0, memory);
  const sample_select::Total all = sample_select::histogram_total(memory);
  bool has_histogram = true;
  u64 kept = all.mass;
  i32 id = 0;
  for (i32 stage = 0; stage < 3; stage++) {
    if (stage == 1 && p.min_p > 0.0f) {
      const u64 likely = mass_at_least(scores, p.min_p, memory);
      kept = likely < kept ? likely : kept;
    }
    const bool is_top_k = stage == 0;
    if (is_top_k && (p.top_k <= 0 || u64(p.top_k) >= all.count)) continue;
    if (stage == 1 && p.top_p >= 1.0f) continue;
    u64 goal = u64(p.top_k);
    if (stage == 1) goal = share_of(p.top_p, kept);
    if (stage == 2) {
      goal = u64(uniform * double(kept)) + 1;
      goal = goal < kept ? goal : kept;
    }
    const Cut cut = sample_select::find_cut(candidates, goal, !is_top_k, &has_histogram, memory);
    kept = cut.through.mass;
    id = cut.id;
  }
  return id;
}

DEVICE i32 draw(const Scores& scores, const SamplingParams& p, i32 position, const Memory& memory) {
  const double uniform = sample_math::uniform_at(p.seed, u32(position));
  const bool has_top_k = p.top_k > 0 && p.top_k < scores.count;
  if (has_top_k || p.top_p < 1.0f) return draw_by_score(scores, p, uniform, memory.select);
  return sample_row::draw_by_id(scores, p.min_p, uniform, memory.walk);
}

// The token of a row whose masked logits are finite; -1 when bias and penalties leave nothing finite.
DEVICE i32 choose_token(const SampleKernelParams& params, i32 row, const f32* logits,
                        const Scan& masked, const Memory& memory) {
  const SampleParams& op = params.op;
  const SamplingSlotView& slot = op.slots[op.row_slots[row]];
  const bool is_greedy = slot.params.temperature <= 0.0f;
  const f32* values = logits;
  Scan scan = masked;
  if (changes_logits(slot)) {
    f32* const adjusted = params.adjusted + row * params.adjusted_pitch;
    adjust(slot, values, op.vocab_size, adjusted);
    values = adjusted;
    scan = sample_row::scan(values, op.vocab_size, memory.select.list);
    if (scan.non_finite) return -1;
  }
  if (is_greedy) return scan.id;
  const Scores scores = {values, op.vocab_size, scan.max, slot.params.temperature};
  return draw(scores, slot.params, op.row_positions[row], memory);
}

// The `count` largest logits, the lowest id first among equals, and their log-probabilities.
DEVICE void write_top(const SampleParams& op, i32 row, const f32* logits, f32 max, f32 log_sum,
                      i32 count, const sample_select::Memory& memory) {
  const Candidates all = {{logits, op.vocab_size, 0.0f, 1.0f}, max, false};
  bool has_histogram = false;
  const Cut cut = sample_select::find_cut(all, u64(count), false, &has_histogram, memory);
  const u64 last = (u64(cut.key) << 32) | u32(cut.id);
  if (threadIdx.x == 0) memory.list_count[0] = 0;
  sync_cta();
  sample_row::for_each_value(logits, op.vocab_size, [&](i32 id, f32 logit) {
    const u64 own = (u64(sample_select::key_of(all.scores.of(logit))) << 32) | u32(id);
    if (own <= last) memory.list[atomic_add(&memory.list_count[0], 1u)] = own;
  });
  sync_cta();
  CU_ASSERT(memory.list_count[0] == u32(count));
  if (i32(threadIdx.x) >= count) return;
  const u64 own = memory.list[threadIdx.x];
  i64 at = i64(row) * kMaxTopLogprobs;
  for (i32 i = 0; i < count; i++) at += memory.list[i] < own ? 1 : 0;
  const i32 id = i32(u32(own));
  op.top_ids[at] = id;
  op.top_logprobs[at] = (sample_math::flushed(logits[id]) - max) - log_sum;
}

// The logarithm of the sum of e^(logit - max); and the most likely tokens, where they are wanted.
// The logits may be changed after it.
DEVICE f32 write_likely(const SampleParams& op, i32 row, const f32* logits, f32 max,
                        i32 num_logprobs, const Memory& memory) {
  const Scores scores = {logits, op.vocab_size, max, 1.0f};
  sample_row::sum_chunks(scores, 0.0f, memory.walk.through);
  const i32 last_chunk = (op.vocab_size - 1) / sample_row::kChunk;
  const f32 log_sum = sample_math::log_of(f32(memory.walk.through[last_chunk]));
  const i32 count = min_i32(min_i32(num_logprobs, kMaxTopLogprobs), op.vocab_size);
  if (count > 0) write_top(op, row, logits, max, log_sum, count, memory.select);
  sync_cta();
  return log_sum;
}

// What a row gives that nothing, or nothing yet, is drawn from.
DEVICE void clear_outputs(const SampleParams& op, i32 row, i32 sample, bool non_finite) {
  const i32 i = i32(threadIdx.x);
  if (i < kMaxTopLogprobs) {
    op.top_ids[i64(row) * kMaxTopLogprobs + i] = -1;
    op.top_logprobs[i64(row) * kMaxTopLogprobs + i] = 0.0f;
  }
  if (i != 0) return;
  op.samples[row] = sample;
  op.sample_logprobs[row] = 0.0f;
  op.non_finite[row] = non_finite ? 1 : 0;
}

DEVICE void sample_row_with(const SampleKernelParams& params, i32 row, const Memory& memory) {
  const SampleParams& op = params.op;
  const f32* const logits = op.logits + i64(row) * op.vocab_size;
  const Scan raw = sample_row::scan(logits, op.vocab_size, memory.select.list);
  const i32 slot_index = op.row_slots[row];
  CU_ASSERT(slot_index < op.num_slots);
  clear_outputs(op, row, slot_index < 0 ? -1 : 0, raw.non_finite);
  if (slot_index < 0 || raw.non_finite) return;

  const SamplingSlotView& slot = op.slots[slot_index];
  const f32* values = logits;
  Scan scan = raw;
  if (slot.token_mask != nullptr) {
    f32* const masked = params.adjusted + row * params.adjusted_pitch;
    mask(slot.token_mask, logits, op.vocab_size, masked);
    values = masked;
    scan = sample_row::scan(values, op.vocab_size, memory.select.list);
  }
  // Before the choice, which adds bias and penalties to the masked row.
  const bool has_logprobs = slot.params.num_logprobs >= 0 && !scan.non_finite;
  const f32 log_sum =
      has_logprobs ? write_likely(op, row, values, scan.max, slot.params.num_logprobs, memory) : 0;
  const i32 token = scan.non_finite ? -1 : choose_token(params, row, values, scan, memory);
  if (token < 0) {
    sync_cta();
    clear_outputs(op, row, 0, true);
    return;
  }
  if (threadIdx.x != 0) return;
  op.samples[row] = token;
  if (slot.output_counts != nullptr) slot.output_counts[token] += 1;
  if (!has_logprobs) return;
  op.sample_logprobs[row] = (sample_math::flushed(logits[token]) - scan.max) - log_sum;
}

// Draws one token per row: mask, bias, penalties, temperature, top-k and min-p, top-p, draw; then
// counts the token and gives log-probabilities of the masked logits.
//
// Shapes   as in SampleParams; rows start where they start, aligned or not
// Grid     one CTA of kSampleThreads per row
// Needs    vocab_size <= kMaxSampleVocab; no slot twice where it has counts
// Moves    a row is read once when greedy; 3 times to draw, 5 to 8 times with top-k or top-p: from
//          L2, where a row of 128 k logits stays; with a mask 2 times more, and written once
// Order    weights in order of ids: chunks of 1,024 in 16 lanes, a tree, chunks in order, in f64;
//          in order of scores: whole multiples of 2^-44, which have no order. Nothing depends on
//          the row, the batch or the slot
// Math     e^x by the CPU's polynomial; where a draw is nearer than some 2^-24 to the border of two
//          tokens, with top-k or top-p the other one may be drawn than on the CPU
// Shared   see the arrays: 45 KiB
// Source   Salmon et al. 2011 (Philox); Alabi et al. 2012 (radix select)
DEVICE void sample(const SampleKernelParams& params) {
  CU_SHARED(u32, counts, sample_select::kBins);
  CU_SHARED(u32, mass_low, sample_select::kBins);
  CU_SHARED(u32, mass_high, sample_select::kBins);
  CU_SHARED(u64, list, sample_select::kListCapacity);
  CU_SHARED(u64, list_mass, sample_select::kListCapacity);
  CU_SHARED(u64, warp_totals, 2 * sample_row::kWarps);
  CU_SHARED(u64, result, 4);
  CU_SHARED(u32, list_count, 1);
  CU_SHARED(double, through, sample_row::kMaxChunks);
  CU_SHARED(f32, weights, sample_row::kStagedWeights);
  CU_SHARED(double, segments, sample_row::kSegments);
  CU_SHARED(i32, drawn, 2);
  const Memory memory = {
      {counts, mass_low, mass_high, list, list_mass, warp_totals, result, list_count},
      {through, weights, segments, drawn}};
  sample_row_with(params, i32(blockIdx.x), memory);
}

}  // namespace sampling

CU_KERNEL(sample, sampling::sample, SampleKernelParams, kSampleThreads, 1)
