#pragma once
// One row of logits as the CTA that draws from it sees it: loads, scans, sums and walks in order of
// ids. Every sum has one order, fixed by the vocabulary: nothing depends on the grid.

#include <device.cuh>

#include "sample_math.cuh"
#include "sample_params.h"

namespace sample_row {

constexpr i32 kThreads = kSampleThreads;
constexpr i32 kWarps = kThreads / kWarpSize;
constexpr i32 kVecsInFlight = 4;

// Mirrors kLogitsChunk and the lanes of addon/cpu: a chunk's sum is 16 lanes, then a tree.
constexpr i32 kChunk = 1024;
constexpr i32 kChunkLanes = 16;
constexpr i32 kMaxChunks = kMaxSampleVocab / kChunk;

// Values of a row, and the number that orders them: score(x) = (x - subtract) / temperature.
struct Scores {
  const f32* values;  // [count]
  i32 count;
  f32 subtract;
  f32 temperature;

  DEVICE f32 of(f32 value) const {
    return sample_math::flushed((sample_math::flushed(value) - subtract) / temperature);
  }
};

// Calls visit(id, value) for every id; the ids of one thread ascend.
template <class Visit>
DEVICE void for_each_value(const f32* values, i32 count, Visit visit) {
  const i32 tid = i32(threadIdx.x);
  const i32 misaligned = i32(reinterpret_cast<u64>(values) / sizeof(f32) % 4);
  const i32 head = min_i32(count, (4 - misaligned) % 4);  // ids before the first whole vector
  if (tid < head) visit(tid, values[tid]);
  const i32 num_vecs = (count - head) / 4;
  const i32 end_vec = num_vecs * 4 + head;
  for (i32 base = tid; base < num_vecs; base += kThreads * kVecsInFlight) {
    Vec16 vecs[kVecsInFlight];
#pragma unroll
    for (i32 i = 0; i < kVecsInFlight; i++) {
      const i32 vec = base + i * kThreads;
      if (vec < num_vecs) vecs[i] = ld16(values + head + vec * 4);
    }
#pragma unroll
    for (i32 i = 0; i < kVecsInFlight; i++) {
      const i32 vec = base + i * kThreads;
      if (vec >= num_vecs) continue;
#pragma unroll
      for (i32 e = 0; e < 4; e++) visit(head + vec * 4 + e, f32_of(vecs[i].words[e]));
    }
  }
  if (end_vec + tid < count) visit(end_vec + tid, values[end_vec + tid]);
}

// What a pass over a row finds.
struct Scan {
  f32 max;          // over the values that are not NaN
  i32 id;           // the lowest with that value
  bool non_finite;  // a NaN or +inf is there, or nothing finite
};

// A number that grows with x; equal for equal values. Not for NaN.
DEVICE u32 ordered(f32 x) {
  const u32 bits = bits_of(x);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}
DEVICE f32 from_ordered(u32 order) {
  return f32_of((order & 0x80000000u) != 0 ? order & 0x7fffffffu : ~order);
}

// Scans a row; all threads get the result. `best` is shared memory for kWarps numbers, which the
// caller leaves alone until the next barrier.
DEVICE Scan scan(const f32* values, i32 count, u64* best) {
  f32 max = -kInfinity;
  i32 id = 0;
  bool is_bad = false;
  for_each_value(values, count, [&](i32 at, f32 raw) {
    const f32 value = sample_math::flushed(raw);
    if (!(value < kInfinity)) is_bad = true;
    if (value > max) {
      max = value;
      id = at;
    }
  });
  // The largest value, and the lowest of its ids, is the largest of these.
  u64 mine = (u64(ordered(max)) << 32) | (0xffffffffu - u32(id));
#pragma unroll
  for (u32 distance = kWarpSize / 2; distance > 0; distance /= 2) {
    const u64 other = shuffle_xor(0xffffffffu, mine, distance);
    mine = other > mine ? other : mine;
  }
  if (threadIdx.x % kWarpSize == 0) best[threadIdx.x / kWarpSize] = mine;
  const bool any_bad = sync_cta_or(is_bad);
  for (i32 warp = 0; warp < kWarps; warp++) mine = best[warp] > mine ? best[warp] : mine;
  const f32 largest = from_ordered(u32(mine >> 32));
  return {largest, i32(0xffffffffu - u32(mine)), any_bad || largest == -kInfinity};
}

// e^score, or 0 where that is below `least`.
DEVICE f32 weight_of(const Scores& scores, f32 value, f32 least) {
  const f32 weight = sample_math::exp_of(scores.of(value));
  return weight >= least ? weight : 0.0f;
}

// through[c] = the sum of the weights of chunks 0 … c. All threads may read it after this.
DEVICE void sum_chunks(const Scores& scores, f32 least, double* through) {
  const i32 num_chunks = (scores.count + kChunk - 1) / kChunk;
  const i32 lane = i32(threadIdx.x) % kChunkLanes;
  constexpr i32 kChunksAtOnce = kThreads / kChunkLanes;
  static_assert(kMaxChunks % kChunksAtOnce == 0, "chunks past the last have a place too");
  for (i32 base = 0; base < num_chunks; base += kChunksAtOnce) {
    const i32 chunk = base + i32(threadIdx.x) / kChunkLanes;
    const i32 end = min_i32(scores.count, (chunk + 1) * kChunk);
    f32 sum = 0.0f;
#pragma unroll 8
    for (i32 id = chunk * kChunk + lane; id < end; id += kChunkLanes) {
      sum = sum + weight_of(scores, scores.values[id], least);
    }
#pragma unroll
    for (u32 distance = kChunkLanes / 2; distance > 0; distance /= 2) {
      sum = sum + shuffle_xor(0xffffffffu, sum, distance);
    }
    if (lane == 0) through[chunk] = double(sum);
  }
  sync_cta();
  if (threadIdx.x == 0) {
    double sum = 0;
    for (i32 chunk = 0; chunk < num_chunks; chunk++) {
      sum += through[chunk];
      through[chunk] = sum;
    }
  }
  sync_cta();
}

// The first chunk but the last whose sum, with all before it, passes `target`; else the last.
DEVICE i32 chunk_of(const double* through, i32 num_chunks, double target) {
  i32 first = 0;
  i32 last = num_chunks - 1;
  while (first < last) {
    const i32 middle = (first + last) / 2;
    if (target < through[middle]) {
      last = middle;
    } else {
      first = middle + 1;
    }
  }
  return first;
}

constexpr i32 kSegments = 32;  // of a chunk, one for each lane of a warp
constexpr i32 kSegmentIds = kChunk / kSegments;
constexpr i32 kSegmentPitch = kSegmentIds + 1;  // odd: the segments' lanes use different banks

// Shared memory of a walk in order of ids.
struct WalkMemory {
  double* through;   // [kMaxChunks]
  f32* weights;      // [kSegments * kSegmentPitch] of one chunk
  double* segments;  // [kSegments] their sums
  i32* drawn;        // [2]
};
constexpr i32 kStagedWeights = kSegments * kSegmentPitch;

// Walks one chunk from `sum`; one thread. drawn[0] becomes the id at which the sum passes `target`;
// where it does not, drawn[1] becomes the last id that has a weight.
DEVICE void walk_chunk(const WalkMemory& memory, i32 first_id, double sum, double target) {
  for (i32 segment = 0; segment < kSegments; segment++) {
    const double after = sum + memory.segments[segment];
    for (i32 i = 0; target < after && i < kSegmentIds; i++) {
      const f32 weight = memory.weights[segment * kSegmentPitch + i];
      sum += double(weight);
      if (weight <= 0.0f || target >= sum) continue;
      memory.drawn[0] = first_id + segment * kSegmentIds + i;
      return;
    }
    sum = after;
  }
  for (i32 i = kChunk - 1; i >= 0; i--) {
    if (memory.weights[i / kSegmentIds * kSegmentPitch + i % kSegmentIds] <= 0.0f) continue;
    memory.drawn[1] = first_id + i;
    return;
  }
}

// Brings the weights of a chunk and the sums of its segments to shared memory.
DEVICE void stage_chunk(const Scores& scores, f32 least, i32 first_id, const WalkMemory& memory) {
  for (i32 i = i32(threadIdx.x); i < kChunk; i += kThreads) {
    const i32 id = first_id + i;
    memory.weights[i / kSegmentIds * kSegmentPitch + i % kSegmentIds] =
        id < scores.count ? weight_of(scores, scores.values[id], least) : 0.0f;
  }
  sync_cta();
  if (threadIdx.x >= kSegments) return;
  double sum = 0;
  for (i32 i = 0; i < kSegmentIds; i++) {
    sum += double(memory.weights[i32(threadIdx.x) * kSegmentPitch + i]);
  }
  memory.segments[threadIdx.x] = sum;
}

// The id at which the running sum of weights, in order of ids, first passes `uniform` of the whole;
// weights below `least` count as 0. All threads get it.
DEVICE i32 draw_by_id(const Scores& scores, f32 least, double uniform, const WalkMemory& memory) {
  sum_chunks(scores, least, memory.through);
  const i32 num_chunks = (scores.count + kChunk - 1) / kChunk;
  const double target = uniform * memory.through[num_chunks - 1];
  if (threadIdx.x == 0) memory.drawn[0] = memory.drawn[1] = -1;
  // Past the first chunk only where rounding left the target beyond the chunk's own weights.
  for (i32 chunk = chunk_of(memory.through, num_chunks, target); chunk < num_chunks; chunk++) {
    stage_chunk(scores, least, chunk * kChunk, memory);
    sync_cta();
    const double before = chunk == 0 ? 0.0 : memory.through[chunk - 1];
    if (threadIdx.x == 0) walk_chunk(memory, chunk * kChunk, before, target);
    sync_cta();
    if (memory.drawn[0] >= 0) return memory.drawn[0];
  }
  return memory.drawn[1] >= 0 ? memory.drawn[1] : 0;
}

}  // namespace sample_row
