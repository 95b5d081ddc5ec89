#pragma once
// A counter-based random generator: the same key and counter give the same number anywhere.

#include "../../cuda/params.h"

namespace cpu {

// A number in [0, 1) with 53 random bits, for (seed, position).
//
// @see Philox4x32-10, Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3"
inline double uniform_at(u64 seed, u32 position) {
  constexpr u64 kMultiplier0 = 0xd2511f53;
  constexpr u64 kMultiplier1 = 0xcd9e8d57;
  constexpr int kNumRounds = 10;
  u32 counter[4] = {position, 0, 0, 0};
  u32 key[2] = {u32(seed), u32(seed >> 32)};
  for (int round = 0; round < kNumRounds; ++round) {
    const u64 product0 = kMultiplier0 * counter[0];
    const u64 product1 = kMultiplier1 * counter[2];
    const u32 next[4] = {u32(product1 >> 32) ^ counter[1] ^ key[0], u32(product1),
                         u32(product0 >> 32) ^ counter[3] ^ key[1], u32(product0)};
    for (int i = 0; i < 4; ++i) counter[i] = next[i];
    key[0] += 0x9e3779b9;  // golden ratio
    key[1] += 0xbb67ae85;  // sqrt(3) - 1
  }
  const u64 bits = ((u64(counter[0]) << 32) | counter[1]) >> 11;
  return double(bits) * 0x1p-53;
}

}  // namespace cpu
