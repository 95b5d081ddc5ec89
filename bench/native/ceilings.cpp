// Loops without dependences: the most that a thread can multiply, and read from memory.

#include <cstring>
#include <thread>
#include <vector>

#include "bench.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

constexpr int kRounds = 200000;
constexpr int kChains = 12;

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) float multiply_avx2() {
  __m256 acc[kChains];
  for (int c = 0; c < kChains; ++c) acc[c] = _mm256_set1_ps(1.0f);
  const __m256 factor = _mm256_set1_ps(0.9999f);
  for (int i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) acc[c] = _mm256_fmadd_ps(acc[c], factor, factor);
  }
  for (int c = 1; c < kChains; ++c) acc[0] = _mm256_add_ps(acc[0], acc[c]);
  return _mm256_cvtss_f32(acc[0]);
}

__attribute__((target("avx512f"))) float multiply_avx512() {
  __m512 acc[kChains];
  for (int c = 0; c < kChains; ++c) acc[c] = _mm512_set1_ps(1.0f);
  const __m512 factor = _mm512_set1_ps(0.9999f);
  for (int i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) acc[c] = _mm512_fmadd_ps(acc[c], factor, factor);
  }
  for (int c = 1; c < kChains; ++c) acc[0] = _mm512_add_ps(acc[0], acc[c]);
  return _mm512_cvtss_f32(acc[0]);
}

__attribute__((target("avx512f,avx512bf16"))) float multiply_bf16() {
  __m512 acc[kChains];
  for (int c = 0; c < kChains; ++c) acc[c] = _mm512_set1_ps(1.0f);
  const __m512bh factor = (__m512bh)_mm512_set1_epi32(0x3f003f00);
  for (int i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) acc[c] = _mm512_dpbf16_ps(acc[c], factor, factor);
  }
  for (int c = 1; c < kChains; ++c) acc[0] = _mm512_add_ps(acc[0], acc[c]);
  return _mm512_cvtss_f32(acc[0]);
}
#endif

volatile float sink;

void run_threads(int threads, float (*body)()) {
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back([body] { sink = body(); });
  sink = body();
  for (std::thread& other : others) other.join();
}

double gflops(int threads, float (*body)(), int lanes, int products) {
  const double seconds = best_seconds([&] { run_threads(threads, body); });
  return 2.0 * kRounds * kChains * lanes * products * threads / seconds / 1e9;
}

double read_bandwidth(int threads) {
  constexpr size_t kBytesPerThread = size_t(256) << 20;
  std::vector<std::vector<u64>> pieces(size_t(threads), std::vector<u64>(kBytesPerThread / 8, 1));
  const auto read = [&pieces](int t) {
    u64 sums[16] = {};
    const std::vector<u64>& piece = pieces[size_t(t)];
    for (size_t i = 0; i < piece.size(); i += 16) {
      for (size_t j = 0; j < 16; ++j) sums[j] += piece[i + j];
    }
    u64 sum = 0;
    for (const u64 part : sums) sum += part;
    sink = float(sum);
  };
  const double seconds = best_seconds([&] {
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(read, t);
    read(0);
    for (std::thread& other : others) other.join();
  });
  return double(kBytesPerThread) * threads / seconds / 1e9;
}

}  // namespace

Ceilings measure_ceilings(const std::string& isa, int threads) {
  Ceilings ceilings = {read_bandwidth(threads), 0.0, 0.0};
#if defined(__x86_64__)
  if (isa == "avx2") ceilings.f32_gflops = gflops(threads, multiply_avx2, 8, 1);
  if (isa.rfind("avx512", 0) == 0) ceilings.f32_gflops = gflops(threads, multiply_avx512, 16, 1);
  ceilings.bf16_gflops = ceilings.f32_gflops;
  if (isa == "avx512bf16") ceilings.bf16_gflops = gflops(threads, multiply_bf16, 16, 2);
#endif
  return ceilings;
}
