// copy_blocks: whole blocks, all other bytes of the pool unchanged.

#include "../../../addon/cuda/ops.h"
#include "../compare.h"
#include "../emulated_launcher.h"
#include "kv_fixture.h"

namespace {

using emulation::DeviceArray;
using emulation::EmulatedLauncher;
using kv_fixture::check_ok;

// A cache of which only the blocks' size matters here.
KvCacheView blocks_of(void* data, i32 num_blocks, i64 block_stride) {
  KvCacheView view = {};
  view.data = data;
  view.num_blocks = num_blocks;
  view.block_stride = block_stride;
  return view;
}

std::vector<u8> random_bytes(size_t count, Random& random) {
  std::vector<u8> bytes(count);
  for (u8& byte : bytes) byte = u8(random.next());
  return bytes;
}

// Sources and destinations apart, every destination once; now and then a block onto itself.
std::vector<i32> draw_pairs(i32 num_blocks, i32 num_pairs, Random& random) {
  const std::vector<i32> order = kv_fixture::shuffled(num_blocks, random);
  const i32 num_sources = num_blocks - num_pairs;
  std::vector<i32> pairs;
  for (i32 i = 0; i < num_pairs; ++i) {
    const i32 destination = order[size_t(num_sources + i)];
    const bool is_itself = random.below(5) == 0;
    pairs.push_back(is_itself ? destination : order[size_t(random.below(num_sources))]);
    pairs.push_back(destination);
  }
  return pairs;
}

}  // namespace

TEST("copy_blocks copies whole blocks of any stride and changes no other byte") {
  Random random(emulation::run_seed() + 21);
  EmulatedLauncher launcher;
  // Below, at and past a piece of 16 KiB, and one vector off.
  for (const i64 stride : {16, 4096, 16368, 16384, 16400, 65536 + 4096 + 16}) {
    for (const i32 num_pairs : {1, 2, 7, 19}) {
      const check::Case in_case(check::text("stride ", stride, ", ", num_pairs, " pairs"));
      const i32 num_blocks = 24;
      std::vector<u8> bytes = random_bytes(size_t(stride) * size_t(num_blocks), random);
      const std::vector<i32> pairs = draw_pairs(num_blocks, num_pairs, random);
      const DeviceArray<u8> pool(bytes);
      const DeviceArray<i32> pair_array(pairs);
      check_ok(cuda::copy_blocks(launcher, {.cache = blocks_of(pool.data(), num_blocks, stride),
                                            .pairs = pair_array.data(),
                                            .num_pairs = num_pairs}));
      for (i32 i = 0; i < num_pairs; ++i) {
        std::copy_n(bytes.begin() + pairs[size_t(i * 2)] * stride, stride,
                    bytes.begin() + pairs[size_t(i * 2 + 1)] * stride);
      }
      CHECK(pool.download() == bytes);
      emulation::note_exact_case("copy_blocks");
    }
  }
}

TEST("copy_blocks reads a block's pages only: memory of no source may be unwritten") {
  EmulatedLauncher launcher;
  Random random(emulation::run_seed() + 22);
  constexpr i64 kStride = 20480;
  emulation::DeviceBytes pool(kStride * 3);
  const std::vector<u8> source = random_bytes(kStride, random);
  pool.upload(source.data(), source.size(), kStride);
  const DeviceArray<i32> pairs(std::vector<i32>{1, 2});
  check_ok(cuda::copy_blocks(
      launcher,
      {.cache = blocks_of(pool.data(), 3, kStride), .pairs = pairs.data(), .num_pairs = 1}));
  CHECK(std::memcmp(pool.data() + 2 * kStride, source.data(), kStride) == 0);
}

TEST("copy_blocks reaches blocks past 2^32 bytes") {
  EmulatedLauncher launcher;
  Random random(emulation::run_seed() + 23);
  constexpr i64 kStride = i64{1} << 21;
  constexpr i32 kBlocks = 5000;
  emulation::DeviceBytes pool(size_t(kStride) * kBlocks);
  const std::vector<u8> source = random_bytes(kStride, random);
  pool.upload(source.data(), source.size(), size_t(kStride) * (kBlocks - 1));
  const DeviceArray<i32> pairs(std::vector<i32>{kBlocks - 1, 2500, kBlocks - 1, 1});
  check_ok(cuda::copy_blocks(
      launcher,
      {.cache = blocks_of(pool.data(), kBlocks, kStride), .pairs = pairs.data(), .num_pairs = 2}));
  for (const i64 block : {2500, 1}) {
    CHECK(std::memcmp(pool.data() + block * kStride, source.data(), kStride) == 0);
  }
}

TEST("copy_blocks launches nothing for no pairs and refuses blocks that are not aligned") {
  EmulatedLauncher launcher;
  check_ok(cuda::copy_blocks(launcher, {.cache = {}, .pairs = nullptr, .num_pairs = 0}));
  const CopyBlocksParams odd = {
      .cache = blocks_of(nullptr, 2, 24), .pairs = nullptr, .num_pairs = 1};
  kv_fixture::check_refused(cuda::copy_blocks(launcher, odd), "ERR_NATIVE", "aligned");
  CHECK_EQUAL(launcher.num_launches(), 0);
}
