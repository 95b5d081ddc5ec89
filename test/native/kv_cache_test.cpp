#include <algorithm>
#include <numeric>

#include "backends.h"
#include "check.h"
#include "values.h"

namespace {

const DType kCacheDTypes[] = {kF32, kF16, kBF16};

struct TestCache {
  std::vector<u8> bytes;
  KvCacheView view = {};

  TestCache(DType dtype, i32 num_blocks, i32 block_size, i32 num_kv_heads, i32 head_dim) {
    constexpr i32 kNumLayers = 3;
    view.head_stride = i64(block_size) * head_dim * i64(elem_bytes(dtype));
    view.value_stride = view.head_stride * num_kv_heads;
    view.layer_stride = view.value_stride * 2;
    view.block_stride = view.layer_stride * kNumLayers + 256;
    view.num_blocks = num_blocks;
    view.block_size = block_size;
    view.num_layers = kNumLayers;
    view.num_kv_heads = num_kv_heads;
    view.head_dim = head_dim;
    view.dtype = dtype;
    bytes.assign(size_t(view.block_stride) * size_t(num_blocks), 0xee);
    view.data = bytes.data();
  }
};

std::vector<f32> rounded(DType dtype, const std::vector<f32>& values) {
  const FloatArray array(dtype, values);
  std::vector<f32> result;
  for (size_t i = 0; i < array.size(); ++i) result.push_back(array[i]);
  return result;
}

}  // namespace

TEST("writeKv puts each token's rounded key and value where readKv finds them") {
  Random random(31);
  for (const DType dtype : kCacheDTypes) {
    for (const i32 block_size : {8, 16, 64}) {
      constexpr i32 kHeads = 3, kDim = 32, kTokens = 40;
      const std::vector<f32> rows = random.uniforms(size_t(kTokens) * kHeads * kDim * 2, 5.0f);
      std::vector<i32> slots(size_t(block_size) * 9);
      std::iota(slots.begin(), slots.end(), block_size);
      for (size_t i = slots.size(); i > 1; --i)
        std::swap(slots[i - 1], slots[size_t(random.below(i32(i)))]);
      slots.resize(kTokens);
      slots[5] = slots[17] = -1;
      const std::vector<u8> bits = same_on_all_backends([&](Backend& backend) {
        TestCache cache(dtype, 10, block_size, kHeads, kDim);
        check_ok(backend.write_kv({.cache = cache.view,
                                   .layer = 1,
                                   .key = rows.data(),
                                   .value = rows.data() + kHeads * kDim,
                                   .token_stride = kHeads * kDim * 2,
                                   .slot_mapping = slots.data(),
                                   .num_tokens = kTokens}));
        return cache.bytes;
      });
      TestCache cache(dtype, 10, block_size, kHeads, kDim);
      std::copy(bits.begin(), bits.end(), cache.bytes.begin());
      std::vector<f32> keys(size_t(kTokens) * kHeads * kDim), values(keys.size());
      check_ok(best_backend().read_kv({.cache = cache.view,
                                       .layer = 1,
                                       .key = keys.data(),
                                       .value = values.data(),
                                       .slots = slots.data(),
                                       .num_slots = kTokens}));
      const std::vector<f32> expected = rounded(dtype, rows);
      for (i32 t = 0; t < kTokens; ++t) {
        for (i32 i = 0; i < kHeads * kDim; ++i) {
          const size_t at = size_t(t * kHeads * kDim + i);
          const f32* from = expected.data() + t * kHeads * kDim * 2 + i;
          CHECK_EQUAL(keys[at], slots[size_t(t)] < 0 ? 0.0f : from[0]);
          CHECK_EQUAL(values[at], slots[size_t(t)] < 0 ? 0.0f : from[kHeads * kDim]);
        }
      }
      // 38 tokens were written, nothing else was touched.
      const size_t untouched = size_t(std::count(bits.begin(), bits.end(), 0xee));
      const size_t written = 38 * kHeads * kDim * 2 * elem_bytes(dtype);
      CHECK(untouched >= bits.size() - written);
      CHECK(untouched <= bits.size() - written + written / 64);
    }
  }
}

TEST("a 2-byte cache holds K as [head_dim/2][block_size][2] and V as [block_size/2][head_dim][2]") {
  TestCache cache(kBF16, 2, 8, 1, 16);
  std::vector<f32> key(16), value(16);
  for (i32 d = 0; d < 16; ++d) {
    key[size_t(d)] = f32(d + 1);
    value[size_t(d)] = f32(d + 101);
  }
  const i32 slot = 8 + 5;
  check_ok(best_backend().write_kv({.cache = cache.view,
                                    .layer = 2,
                                    .key = key.data(),
                                    .value = value.data(),
                                    .token_stride = 16,
                                    .slot_mapping = &slot,
                                    .num_tokens = 1}));
  const i64 tile = cache.view.block_stride + 2 * cache.view.layer_stride;
  const auto bf16_at = [&](i64 offset) {
    u16 half;
    std::memcpy(&half, cache.bytes.data() + offset, 2);
    return cpu::bf16_to_f32(half);
  };
  for (i32 d = 0; d < 16; ++d) {
    CHECK_EQUAL(bf16_at(tile + ((d / 2 * 8 + 5) * 2 + d % 2) * 2), f32(d + 1));
    CHECK_EQUAL(bf16_at(tile + cache.view.value_stride + ((5 / 2 * 16 + d) * 2 + 1) * 2),
                f32(d + 101));
  }
}

TEST("every f16 value widens exactly and every f32 rounds to the nearest f16 and bf16") {
#ifdef __FLT16_MAX__
  Random random(32);
  std::vector<f32> values;
  for (u32 half = 0; half < 0x10000; half += 1) {
    const f32 exact = cpu::f32_from_bits(cpu::f16_to_f32_bits(u16(half)));
    _Float16 builtin;
    const u16 bits = u16(half);
    std::memcpy(&builtin, &bits, 2);
    CHECK(std::isnan(exact) ? std::isnan(f32(builtin)) : exact == f32(builtin));
    values.push_back(exact);
    values.push_back(std::nextafter(exact, 1e9f));
    values.push_back((exact + cpu::f32_from_bits(cpu::f16_to_f32_bits(u16(half + 1)))) * 0.5f);
    values.push_back(cpu::f32_from_bits(u32(random.next())));
  }
  for (const DType dtype : {kF16, kBF16}) {
    const std::vector<u8> bits = same_on_all_backends([&](Backend& backend) {
      std::vector<i32> slots(values.size() / 16);
      std::iota(slots.begin(), slots.end(), 0);
      TestCache cache(dtype, i32(slots.size()) / 16, 16, 1, 16);
      check_ok(backend.write_kv({.cache = cache.view,
                                 .layer = 0,
                                 .key = values.data(),
                                 .value = values.data(),
                                 .token_stride = 16,
                                 .slot_mapping = slots.data(),
                                 .num_tokens = i32(slots.size())}));
      std::vector<f32> read(values.size() * 2);
      check_ok(backend.read_kv({.cache = cache.view,
                                .layer = 0,
                                .key = read.data(),
                                .value = read.data() + values.size(),
                                .slots = slots.data(),
                                .num_slots = i32(slots.size())}));
      std::vector<u8> result(read.size() * 4);
      std::memcpy(result.data(), read.data(), result.size());
      return result;
    });
    for (size_t i = 0; i < values.size(); ++i) {
      f32 actual;
      std::memcpy(&actual, bits.data() + i * 4, 4);
      if (std::isnan(values[i])) {
        CHECK(std::isnan(actual));
        continue;
      }
      const FloatArray scalar(dtype, std::vector<f32>{values[i]});
      CHECK_EQUAL(actual, scalar[0]);
      if (dtype == kF16) CHECK_EQUAL(actual, f32(_Float16(values[i])));
    }
  }
#endif
}

TEST("copyBlocks copies whole blocks and touches no other") {
  Random random(33);
  TestCache cache(kF16, 9, 16, 2, 64);
  for (u8& byte : cache.bytes) byte = u8(random.next());
  const std::vector<u8> before = cache.bytes;
  const i32 pairs[] = {3, 1, 3, 8, 0, 5};
  for (const OpenBackend& open : all_backends()) {
    std::copy(before.begin(), before.end(), cache.bytes.begin());
    check_ok(open.backend->copy_blocks({.cache = cache.view, .pairs = pairs, .num_pairs = 3}));
    const i32 sources[] = {0, 3, 2, 3, 4, 0, 6, 7, 3};
    for (i32 block = 0; block < 9; ++block) {
      const i64 stride = cache.view.block_stride;
      CHECK(std::equal(cache.bytes.begin() + block * stride,
                       cache.bytes.begin() + (block + 1) * stride,
                       before.begin() + sources[block] * stride));
    }
  }
}
