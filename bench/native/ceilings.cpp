// Loops without dependences: the most that a thread can multiply, and read from memory.

#include <sys/mman.h>

#include <cstring>
#include <thread>
#include <vector>

#include "bench.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

constexpr int kRounds = 1000000;
constexpr int kChains = 12;
constexpr size_t kBytesPerThread = size_t(256) << 20;
constexpr size_t kHugePage = size_t(2) << 20;

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

__attribute__((target("avx512f,avx512vnni"))) float multiply_int8_avx512() {
  __m512i acc[kChains];
  for (int c = 0; c < kChains; ++c) acc[c] = _mm512_setzero_si512();
  const __m512i factor = _mm512_set1_epi8(1);
  for (int i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) acc[c] = _mm512_dpbusd_epi32(acc[c], factor, factor);
  }
  for (int c = 1; c < kChains; ++c) acc[0] = _mm512_add_epi32(acc[0], acc[c]);
  return float(_mm_cvtsi128_si32(_mm512_castsi512_si128(acc[0])));
}

__attribute__((target("avx2"))) float multiply_int8_avx2() {
  __m256i acc[kChains];
  for (int c = 0; c < kChains; ++c) acc[c] = _mm256_setzero_si256();
  __m256i factor = _mm256_set1_epi8(1);
  const __m256i ones = _mm256_set1_epi16(1);
  for (int i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) {
      // Another value for all the compiler knows: the product stays in the loop.
      asm("" : "+x"(factor));
      const __m256i pairs = _mm256_maddubs_epi16(factor, factor);
      acc[c] = _mm256_add_epi32(acc[c], _mm256_madd_epi16(pairs, ones));
    }
  }
  for (int c = 1; c < kChains; ++c) acc[0] = _mm256_add_epi32(acc[0], acc[c]);
  return float(_mm_cvtsi128_si32(_mm256_castsi256_si128(acc[0])));
}

__attribute__((target("avx512f"))) float read_avx512(const u8* data) {
  __m512i acc[8];
  for (__m512i& part : acc) part = _mm512_setzero_si512();
  for (size_t i = 0; i < kBytesPerThread; i += 512) {
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; ++j) {
      acc[j] = _mm512_xor_si512(acc[j], _mm512_load_si512(data + i + j * 64));
    }
  }
  for (int j = 1; j < 8; ++j) acc[0] = _mm512_xor_si512(acc[0], acc[j]);
  return float(_mm_cvtsi128_si32(_mm512_castsi512_si128(acc[0])));
}
#endif

float read_words(const u8* data) {
  u64 sums[16] = {};
  for (size_t i = 0; i < kBytesPerThread; i += sizeof(sums)) {
    u64 words[16];
    std::memcpy(words, data + i, sizeof(words));
    for (size_t j = 0; j < 16; ++j) sums[j] ^= words[j];
  }
  u64 sum = 0;
  for (const u64 part : sums) sum ^= part;
  return float(sum);
}

volatile float sink;

// Runs body(t) on `threads` threads at once, this one included.
template <class Body>
void run_threads(int threads, const Body& body) {
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back([&body, t] { sink = body(t); });
  sink = body(0);
  for (std::thread& other : others) other.join();
}

// `products` multiplications and as many additions per lane and chain step.
double gflops(int threads, float (*body)(), int lanes, int products, double budget_seconds) {
  const double seconds =
      best_seconds([&] { run_threads(threads, [body](int) { return body(); }); }, budget_seconds);
  return 2.0 * kRounds * kChains * lanes * products * threads / seconds / 1e9;
}

// Memory in huge pages where the system gives them, touched by its one writer.
struct Region {
  u8* data;

  Region() {
    data = static_cast<u8*>(std::aligned_alloc(kHugePage, kBytesPerThread));
    if (data == nullptr) std::abort();
    madvise(data, kBytesPerThread, MADV_HUGEPAGE);
    std::memset(data, 1, kBytesPerThread);
  }
  ~Region() { std::free(data); }
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
};

}  // namespace

double read_gigabytes_per_second(const std::string& isa, int threads, double budget_seconds) {
  std::vector<Region> regions(static_cast<size_t>(threads));
  float (*read)(const u8*) = read_words;
#if defined(__x86_64__)
  if (isa.rfind("avx512", 0) == 0) read = read_avx512;
#endif
  const double seconds = best_seconds(
      [&] { run_threads(threads, [&](int t) { return read(regions[size_t(t)].data); }); },
      budget_seconds);
  return double(kBytesPerThread) * threads / seconds / 1e9;
}

Ceilings measure_ceilings(const std::string& isa, int threads, double budget_seconds) {
  Ceilings ceilings = {read_gigabytes_per_second(isa, threads, budget_seconds), 0.0, 0.0, 0.0};
#if defined(__x86_64__)
  const auto measure = [&](float (*body)(), int lanes, int products) {
    return gflops(threads, body, lanes, products, budget_seconds);
  };
  if (isa == "avx2") ceilings.f32_gflops = measure(multiply_avx2, 8, 1);
  if (isa == "avx2") ceilings.int8_gops = measure(multiply_int8_avx2, 8, 4);
  if (isa.rfind("avx512", 0) == 0) ceilings.f32_gflops = measure(multiply_avx512, 16, 1);
  ceilings.bf16_gflops = ceilings.f32_gflops;
  if (isa == "avx512bf16") ceilings.bf16_gflops = measure(multiply_bf16, 16, 2);
  if (isa.rfind("avx512", 0) == 0 && __builtin_cpu_supports("avx512vnni")) {
    ceilings.int8_gops = measure(multiply_int8_avx512, 16, 4);
  }
#endif
  return ceilings;
}
