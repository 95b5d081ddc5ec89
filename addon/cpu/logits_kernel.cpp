// Passes over one row of logits, for sample(): maximum, exponentials, digest.

#include "isa_kernels.h"
#include "vector_math.h"

namespace cpu::PA_ISA {
namespace {

// A half of the digest: 16 lanes of 32 bits, word i of the row goes to lane i mod 16.
struct DigestHalf {
  u32 lanes[16];
  u32 multiplier;
  u32 rotation;

  u32 rotate(u32 x) const { return (x << rotation) | (x >> (32 - rotation)); }
  void add(i32 lane, u32 word) { lanes[lane] = (rotate(lanes[lane]) ^ word) * multiplier; }

  u32 finish(u32 count) const {
    u32 hash = count;
    for (i32 lane = 0; lane < 16; ++lane) hash = (rotate(hash) ^ lanes[lane]) * multiplier;
    hash = (hash ^ (hash >> 15)) * multiplier;
    return hash ^ (hash >> 16);
  }
};

}  // namespace

LogitsScan scan_logits(const f32* logits, i32 count) {
  const Vec infinity = broadcast(__builtin_inff());
  const Vec lowest = zero() - infinity;
  Vec max = lowest;
  Vec bad = zero();
  for (i32 i = 0; i < count; i += kLanes) {
    Vec v;
    if (count - i >= kLanes) {
      v = load(logits + i);
    } else {
      v = keep_lanes(load_partial(logits + i, count - i), 0, count - i, lowest);
    }
    max = max_or_second(v, max);
    bad = max_or_second(select_less(v, infinity, zero(), broadcast(1.0f)), bad);
  }
  return {reduce_max(max), reduce_max(bad) > 0.0f};
}

void exp_logits(const f32* logits, i32 count, f32 max, f32* out, double* chunk_sums) {
  const Vec offset = broadcast(max);
  for (i32 first = 0; first < count; first += kLogitsChunk) {
    const i32 end = count - first < kLogitsChunk ? count : first + kLogitsChunk;
    Vec sum = zero();
    for (i32 i = first; i < end; i += kLanes) {
      if (end - i >= kLanes) {
        const Vec p = exp(load(logits + i) - offset);
        store(out + i, p);
        sum = sum + p;
        continue;
      }
      const Vec p = exp(load_partial(logits + i, end - i) - offset);
      store_partial(out + i, p, end - i);
      sum = sum + keep_lanes(p, 0, end - i, zero());
    }
    chunk_sums[first / kLogitsChunk] = double(reduce_add(sum));
  }
}

f32 log_of(f32 x) { return first_lane(log(broadcast(x))); }

// digest = high << 32 | low over the row's u32 bit patterns w[0 .. count). With rotl on 32 bits and
// products modulo 2^32, for (high: M = 0x9e3779b1, R = 13; low: M = 0x85ebca77, R = 17):
//
//   lane[l] = l + 1;                                  for each of 16 lanes
//   lane[i % 16] = (rotl(lane[i % 16], R) ^ w[i]) * M for i = 0 .. count - 1
//   h = count;  h = (rotl(h, R) ^ lane[l]) * M        for l = 0 .. 15
//   h = (h ^ h >> 15) * M;  half = h ^ h >> 16
//
// Mirrors digestOfRow in test/reference/digest.ts.
u64 digest(const f32* logits, i32 count) {
  DigestHalf high = {{}, 0x9e3779b1u, 13};
  DigestHalf low = {{}, 0x85ebca77u, 17};
  for (i32 lane = 0; lane < 16; ++lane) high.lanes[lane] = low.lanes[lane] = u32(lane) + 1;
  for (i32 first = 0; first < count; first += 16) {
    u32 words[16];
    const i32 num_words = count - first < 16 ? count - first : 16;
    memcpy(words, logits + first, size_t(num_words) * sizeof(u32));
    for (i32 lane = 0; lane < num_words; ++lane) high.add(lane, words[lane]);
    for (i32 lane = 0; lane < num_words; ++lane) low.add(lane, words[lane]);
  }
  return (u64(high.finish(u32(count))) << 32) | low.finish(u32(count));
}

}  // namespace cpu::PA_ISA
