#include "sample.h"

#include <cmath>
#include <cstring>

#include "philox.h"
#include "top_values.h"

namespace cpu {
namespace {

double sum_of(const std::vector<double>& chunk_sums, i32 count) {
  double sum = 0;
  for (i32 c = 0; c * kLogitsChunk < count; ++c) sum += chunk_sums[size_t(c)];
  return sum;
}

bool changes_logits(const SamplingSlotView& slot) {
  const SamplingParams& p = slot.params;
  return slot.num_biases > 0 || p.repetition_penalty != 1.0f || p.presence_penalty != 0.0f ||
         p.frequency_penalty != 0.0f;
}

// Bias, then penalties, in place.
void change_logits(const SamplingSlotView& slot, i32 vocab_size, f32* logits) {
  for (i32 i = 0; i < slot.num_biases; ++i) logits[slot.bias_ids[i]] += slot.bias_values[i];
  const SamplingParams& p = slot.params;
  for (i32 id = 0; id < vocab_size; ++id) {
    const i32 count = slot.output_counts != nullptr ? slot.output_counts[id] : 0;
    const bool seen = count > 0 || (slot.in_prompt != nullptr && slot.in_prompt[id] != 0);
    if (!seen) continue;
    f32 logit = logits[id];
    logit = logit > 0.0f ? logit / p.repetition_penalty : logit * p.repetition_penalty;
    if (count > 0) logit -= p.frequency_penalty * f32(count) + p.presence_penalty;
    logits[id] = logit;
  }
}

i32 first_id_of(const f32* values, i32 count, f32 value) {
  for (i32 id = 0; id < count; ++id) {
    if (values[id] == value) return id;
  }
  return 0;
}

// The id at which the running sum of weights first passes `target`.
i32 pick_among(const std::vector<i32>& ids, const f32* weights, double target) {
  double sum = 0;
  for (const i32 id : ids) {
    sum += double(weights[id]);
    if (target < sum) return id;
  }
  return ids.back();  // rounding: target is at most the whole sum
}

// The same over all ids in order; whole chunks are passed by their sums.
i32 pick_among_all(const SampleScratch& scratch, i32 count, double target) {
  double sum = 0;
  i32 first = 0;
  while (first + kLogitsChunk < count) {
    const double after = sum + scratch.chunk_sums[size_t(first / kLogitsChunk)];
    if (target < after) break;
    sum = after;
    first += kLogitsChunk;
  }
  i32 last_possible = 0;
  for (i32 id = first; id < count; ++id) {
    const f32 weight = scratch.weights[size_t(id)];
    if (weight > 0.0f) last_possible = id;
    sum += double(weight);
    if (target < sum) return id;
  }
  return last_possible;
}

double collect_from(const SampleScratch& scratch, i32 count, f32 least_weight,
                    std::vector<i32>* ids) {
  ids->clear();
  double sum = 0;
  for (i32 id = 0; id < count; ++id) {
    const f32 weight = scratch.weights[size_t(id)];
    if (weight < least_weight) continue;
    ids->push_back(id);
    sum += double(weight);
  }
  return sum;
}

// Candidates that top-k and min-p leave, or, for top-p alone, enough of the best to hold its share.
// Sorted when top-k or top-p is on. Gives the sum of the weights that top-p is a share of.
double collect_candidates(const SamplingParams& p, i32 count, SampleScratch* scratch) {
  std::vector<i32>* ids = &scratch->candidates;
  if (p.top_k > 0 && p.top_k < count) {
    find_top(scratch->logits.data(), count, p.top_k, ids);
    while (scratch->weights[size_t(ids->back())] < p.min_p) ids->pop_back();
    double sum = 0;
    for (const i32 id : *ids) sum += double(scratch->weights[size_t(id)]);
    return sum;
  }
  double total = 0;
  if (p.min_p > 0.0f) {
    total = collect_from(*scratch, count, p.min_p, ids);
  } else {
    total = sum_of(scratch->chunk_sums, count);
    for (const f32 least_weight : {0x1p-8f, 0x1p-16f, 0.0f}) {
      if (collect_from(*scratch, count, least_weight, ids) >= double(p.top_p) * total) break;
    }
  }
  if (p.top_p < 1.0f) std::sort(ids->begin(), ids->end(), ByValue{scratch->logits.data()});
  return total;
}

// Keeps the shortest prefix that holds top_p of `total`; gives its sum.
double cut_to_top_p(f32 top_p, double total, SampleScratch* scratch) {
  if (top_p >= 1.0f) return total;
  double sum = 0;
  size_t kept = 0;
  while (kept < scratch->candidates.size() && (kept == 0 || sum < double(top_p) * total)) {
    sum += double(scratch->weights[size_t(scratch->candidates[kept++])]);
  }
  scratch->candidates.resize(kept);
  return sum;
}

// Draws from scratch->logits, whose largest value is `max`.
i32 draw(const Kernels& kernels, const SamplingParams& p, i32 count, f32 max, u32 position,
         SampleScratch* scratch) {
  f32* logits = scratch->logits.data();
  for (i32 id = 0; id < count; ++id) logits[id] = (logits[id] - max) / p.temperature;
  kernels.exp_logits(logits, count, 0.0f, scratch->weights.data(), scratch->chunk_sums.data());
  const double uniform = uniform_at(p.seed, position);
  const bool top_k = p.top_k > 0 && p.top_k < count;
  if (!top_k && p.min_p <= 0.0f && p.top_p >= 1.0f) {
    return pick_among_all(*scratch, count, uniform * sum_of(scratch->chunk_sums, count));
  }
  const double total = collect_candidates(p, count, scratch);
  const double kept = cut_to_top_p(p.top_p, total, scratch);
  return pick_among(scratch->candidates, scratch->weights.data(), uniform * kept);
}

void write_logprobs(const Kernels& kernels, const SampleParams& params, i32 row, const f32* logits,
                    f32 max, i32 num_logprobs, SampleScratch* scratch) {
  const i32 count = params.vocab_size;
  kernels.exp_logits(logits, count, max, scratch->weights.data(), scratch->chunk_sums.data());
  const f32 log_sum = kernels.log(f32(sum_of(scratch->chunk_sums, count)));
  params.sample_logprobs[row] = (logits[params.samples[row]] - max) - log_sum;
  find_top(logits, count, std::min({num_logprobs, kMaxTopLogprobs, count}), &scratch->candidates);
  const i64 at = i64(row) * kMaxTopLogprobs;
  for (size_t i = 0; i < scratch->candidates.size(); ++i) {
    const i32 id = scratch->candidates[i];
    params.top_ids[at + i64(i)] = id;
    params.top_logprobs[at + i64(i)] = (logits[id] - max) - log_sum;
  }
}

void clear_outputs(const SampleParams& params, i32 row, i32 sample) {
  params.samples[row] = sample;
  params.sample_logprobs[row] = 0.0f;
  const i64 at = i64(row) * kMaxTopLogprobs;
  for (i32 i = 0; i < kMaxTopLogprobs; ++i) {
    params.top_ids[at + i] = -1;
    params.top_logprobs[at + i] = 0.0f;
  }
}

// The row with the logits of all tokens that the mask forbids at -inf.
const f32* mask_logits(const u32* token_mask, const f32* logits, i32 vocab_size,
                       SampleScratch* scratch) {
  scratch->masked.resize(size_t(vocab_size));
  for (i32 first = 0; first < vocab_size; first += 32) {
    const u32 word = token_mask[first / 32];
    const i32 end = std::min(vocab_size, first + 32);
    for (i32 id = first; id < end; ++id) {
      scratch->masked[size_t(id)] = ((word >> (id - first)) & 1u) != 0 ? logits[id] : -INFINITY;
    }
  }
  return scratch->masked.data();
}

// The token of a row whose masked logits are finite with maximum `max`; -1 when bias and penalties
// leave nothing finite to choose.
i32 choose_token(const Kernels& kernels, const SampleParams& params, i32 row, const f32* logits,
                 f32 max, SampleScratch* scratch) {
  const i32 count = params.vocab_size;
  const SamplingSlotView& slot = params.slots[params.row_slots[row]];
  const bool greedy = slot.params.temperature <= 0.0f;
  if (greedy && !changes_logits(slot)) return first_id_of(logits, count, max);

  std::memcpy(scratch->logits.data(), logits, size_t(count) * sizeof(f32));
  if (changes_logits(slot)) {
    change_logits(slot, count, scratch->logits.data());
    const LogitsScan scan = kernels.scan_logits(scratch->logits.data(), count);
    if (scan.non_finite || std::isinf(scan.max)) return -1;
    max = scan.max;
  }
  if (greedy) return first_id_of(scratch->logits.data(), count, max);
  return draw(kernels, slot.params, count, max, u32(params.row_positions[row]), scratch);
}

}  // namespace

void SampleScratch::reserve(i32 vocab_size) {
  const size_t count = size_t(vocab_size);
  if (logits.size() >= count) return;
  logits.resize(count);
  weights.resize(count);
  chunk_sums.resize(count / kLogitsChunk + 1);
  candidates.reserve(count);
}

void sample_row(const Kernels& kernels, const SampleParams& params, i32 row,
                SampleScratch* scratch) {
  const i32 count = params.vocab_size;
  const f32* logits = params.logits + i64(row) * count;
  const LogitsScan scan = kernels.scan_logits(logits, count);
  const bool non_finite = scan.non_finite || std::isinf(scan.max);
  params.non_finite[row] = non_finite ? 1 : 0;
  if (params.digests != nullptr) params.digests[row] = kernels.digest(logits, count);

  const i32 slot_index = params.row_slots[row];
  clear_outputs(params, row, slot_index < 0 ? -1 : 0);
  if (slot_index < 0 || non_finite) return;

  const SamplingSlotView& slot = params.slots[slot_index];
  f32 max = scan.max;
  if (slot.token_mask != nullptr) {
    logits = mask_logits(slot.token_mask, logits, count, scratch);
    max = kernels.scan_logits(logits, count).max;
  }
  const i32 token = std::isinf(max) ? -1 : choose_token(kernels, params, row, logits, max, scratch);
  if (token < 0) {
    params.non_finite[row] = 1;
    return;
  }
  params.samples[row] = token;
  if (slot.output_counts != nullptr) slot.output_counts[token] += 1;
  if (slot.params.num_logprobs >= 0) {
    write_logprobs(kernels, params, row, logits, max, slot.params.num_logprobs, scratch);
  }
}

}  // namespace cpu
