// Blocks between the cache and host memory, beside the steps.

#include <algorithm>
#include <numeric>
#include <thread>

#include "cuda_fixture.h"

namespace {

constexpr i32 kNumBlocks = 40;
const std::atomic<bool> kNotCancelled{false};

// Pairs (block, host block) of a random half of the blocks, some in runs.
std::vector<i32> random_pairs(Random& random, i32 num_pairs) {
  std::vector<i32> blocks(kNumBlocks), host_blocks(kNumBlocks);
  std::iota(blocks.begin(), blocks.end(), 0);
  std::iota(host_blocks.begin(), host_blocks.end(), 0);
  for (i32 i = kNumBlocks - 1; i > kNumBlocks / 2; --i) {
    std::swap(blocks[size_t(i)], blocks[size_t(random.below(i + 1))]);
    std::swap(host_blocks[size_t(i)], host_blocks[size_t(random.below(i + 1))]);
  }
  std::vector<i32> pairs;
  for (i32 i = 0; i < num_pairs; ++i) {
    pairs.push_back(blocks[size_t(i)]);
    pairs.push_back(host_blocks[size_t(i)]);
  }
  return pairs;
}

struct Pool {
  Pool(Backend& backend, i64 block_bytes)
      : backend(backend),
        block_bytes(block_bytes),
        bytes(size_t(block_bytes) * kNumBlocks),
        blocks(backend, bytes),
        host(static_cast<u8*>(backend.allocate_host(bytes))) {}
  ~Pool() { backend.free_host(host, bytes); }

  Status move(const std::vector<i32>& pairs, bool to_host,
              const std::atomic<bool>& cancelled = kNotCancelled) {
    return backend.transfer_blocks({blocks.as<u8>(), block_bytes, host, pairs.data(),
                                    i32(pairs.size() / 2), to_host, &cancelled});
  }

  Backend& backend;
  const i64 block_bytes;
  const size_t bytes;
  DeviceBytes blocks;
  u8* const host;
};

// Two numberings that differ everywhere, so that a wrong block shows.
std::vector<u32> numbered(size_t bytes, u32 start) {
  std::vector<u32> words(bytes / 4);
  std::iota(words.begin(), words.end(), start);
  return words;
}

}  // namespace

TEST("exactly the blocks that are named move, both ways, at every size of block") {
  const std::unique_ptr<Backend> backend = open_gpu();
  const Delays delays(100);
  Random random(7);
  for (const i64 block_bytes : {16, 4096, 36864}) {
    for (const i32 num_pairs : {0, 1, 7, kNumBlocks}) {
      for (const bool to_host : {true, false}) {
        const check::Case which(
            check::text(block_bytes, " bytes, ", num_pairs, " pairs, ", to_host));
        Pool pool(*backend, block_bytes);
        std::vector<u32> device = numbered(pool.bytes, 1);
        std::vector<u32> host = numbered(pool.bytes, 1u << 30);
        pool.blocks.write(device);
        std::memcpy(pool.host, host.data(), pool.bytes);
        const std::vector<i32> pairs = random_pairs(random, num_pairs);
        check_ok(pool.move(pairs, to_host));

        const size_t words = size_t(block_bytes) / 4;
        for (size_t i = 0; i < pairs.size(); i += 2) {
          u32* const block = &device[size_t(pairs[i]) * words];
          u32* const host_block = &host[size_t(pairs[i + 1]) * words];
          to_host ? std::copy_n(block, words, host_block) : std::copy_n(host_block, words, block);
        }
        CHECK(pool.blocks.read<u32>(device.size()) == device);
        CHECK(std::memcmp(pool.host, host.data(), pool.bytes) == 0);
      }
    }
  }
}

TEST("a transfer sees the steps queued before it, and later steps see the transfer") {
  const std::unique_ptr<Backend> backend = open_gpu();
  const Delays delays(2000);
  Pool pool(*backend, 40000);
  f32* const values = pool.blocks.as<f32>(40000);
  const std::vector<i32> pairs = {1, 0};
  for (int round = 0; round < 10; ++round) {
    check_ok(backend->fill(values, 0, 40000));
    const std::vector<f32> ones(10000, f32(round + 1));
    check_ok(backend->upload(values, ones.data(), 40000));
    check_ok(backend->scale({values, 2.0f, 100, 100}));
    std::thread([&] { check_ok(pool.move(pairs, true)); }).join();
    f32* const moved = reinterpret_cast<f32*>(pool.host);
    CHECK(std::all_of(moved, moved + 10000, [&](f32 v) { return v == 2.0f * f32(round + 1); }));

    std::fill_n(moved, 10000, f32(round));
    std::thread([&] { check_ok(pool.move(pairs, false)); }).join();
    check_ok(backend->scale({values, 3.0f, 100, 100}));
    std::vector<f32> found(10000);
    check_ok(backend->download(found.data(), values, 40000));
    CHECK(std::all_of(found.begin(), found.end(), [&](f32 v) { return v == 3.0f * f32(round); }));
  }
}

TEST("a cancelled transfer stops with ERR_CLOSED and nothing of it is on its way any more") {
  const std::unique_ptr<Backend> backend = open_gpu();
  const Delays delays(1000);
  const std::atomic<bool> cancelled{true};
  for (int i = 0; i < 5; ++i) {
    Pool pool(*backend, 36864);
    check_says(pool.move({1, 2, 3, 4}, true, cancelled), "ERR_CLOSED", {});
  }
}

TEST("a pool whose blocks pass 2^31 bytes moves the right ones") {
  const Variable memory("PA_EMULATED_MEMORY_BYTES", "6000000000");
  const std::unique_ptr<Backend> backend = open_gpu();
  constexpr i64 kBlockBytes = i64{100} << 20;
  DeviceBytes blocks(*backend, size_t(kBlockBytes) * 50);
  const std::vector<u8> marks = {1, 2, 3, 4};
  u8* const last = blocks.as<u8>(size_t(kBlockBytes) * 49);
  check_ok(backend->upload(last, marks.data(), 4));
  u8* const host = static_cast<u8*>(backend->allocate_host(size_t(kBlockBytes)));
  const i32 pair[] = {49, 0};
  check_ok(backend->transfer_blocks(
      {blocks.as<u8>(), kBlockBytes, host, pair, 1, true, &kNotCancelled}));
  CHECK(std::equal(marks.begin(), marks.end(), host));
  backend->free_host(host, size_t(kBlockBytes));
}
