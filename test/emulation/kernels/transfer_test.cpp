// Transfers: how pairs become runs, and the kernel that moves the small ones.

#include <map>

#include "../../../addon/cuda/transfer_op.h"
#include "../compare.h"
#include "../emulated_launcher.h"
#include "kv_fixture.h"

namespace {

using cuda::plan_transfer;
using cuda::TransferPlan;
using emulation::DeviceArray;
using emulation::EmulatedLauncher;
using kv_fixture::check_ok;

// Block, host block and number of blocks of each run.
std::vector<i32> flat(const std::vector<TransferRun>& runs) {
  std::vector<i32> numbers;
  for (const TransferRun& run : runs) {
    for (const i32 number : {run.block, run.host_block, run.num_blocks}) numbers.push_back(number);
  }
  return numbers;
}

// Half of the pairs continue the one before, the order is random.
std::vector<i32> draw_pairs(i32 num_pairs, Random& random) {
  std::vector<std::pair<i32, i32>> pairs;
  i32 block = 0, host_block = 0;
  for (i32 i = 0; i < num_pairs; ++i) {
    block += random.below(2) == 0 ? 1 : 2;
    host_block += random.below(4) == 0 ? 2 : 1;
    pairs.push_back({block, host_block});
  }
  std::vector<i32> flat;
  for (const i32 i : kv_fixture::shuffled(num_pairs, random)) {
    flat.push_back(pairs[size_t(i)].first);
    flat.push_back(pairs[size_t(i)].second);
  }
  return flat;
}

std::vector<u8> random_bytes(size_t count, Random& random) {
  std::vector<u8> bytes(count);
  for (u8& byte : bytes) byte = u8(random.next());
  return bytes;
}

}  // namespace

TEST("a transfer plan has every pair once, in runs that no neighbour could join") {
  Random random(emulation::run_seed() + 31);
  for (i32 trial = 0; trial < 200; ++trial) {
    const i32 num_pairs = random.below(60);
    const std::vector<i32> pairs = draw_pairs(num_pairs, random);
    const i64 crossover = i64(random.below(5)) * 4096;
    const TransferPlan plan = plan_transfer(pairs.data(), num_pairs, 4096, crossover);
    std::map<i32, i32> planned;
    std::map<i32, TransferRun> by_block;
    for (const auto* runs : {&plan.copies, &plan.small}) {
      i32 last = -1;
      for (const TransferRun& run : *runs) {
        CHECK(run.num_blocks > 0 && run.block > last);
        last = run.block;
        by_block[run.block] = run;
        CHECK_EQUAL(run.num_blocks * i64{4096} < crossover, runs == &plan.small);
        for (i32 i = 0; i < run.num_blocks; ++i) planned[run.block + i] = run.host_block + i;
      }
    }
    CHECK_EQUAL(planned.size(), size_t(num_pairs));
    for (size_t i = 0; i < pairs.size(); i += 2) CHECK_EQUAL(planned[pairs[i]], pairs[i + 1]);
    for (const auto& [block, run] : by_block) {
      const auto next = by_block.find(block + run.num_blocks);
      if (next == by_block.end()) continue;
      CHECK(next->second.host_block != run.host_block + run.num_blocks);
    }
  }
}

TEST("runs of the crossover's size and longer go to the copy engine") {
  const std::vector<i32> pairs = {9, 3, 4, 8, 5, 9, 6, 10, 20, 0, 21, 1};
  const TransferPlan plan = plan_transfer(pairs.data(), 6, 16384);
  CHECK(flat(plan.small) == (std::vector<i32>{9, 3, 1}));
  CHECK(flat(plan.copies) == (std::vector<i32>{4, 8, 3, 20, 0, 2}));
  CHECK(plan_transfer(pairs.data(), 6, 32768).small.empty());
  CHECK(plan_transfer(pairs.data(), 6, 4096).copies.empty());
  CHECK(plan_transfer(nullptr, 0, 4096).copies.empty());
}

TEST("one block may go to two host blocks") {
  const std::vector<i32> pairs = {7, 1, 7, 5, 8, 6};
  const TransferPlan plan = plan_transfer(pairs.data(), 3, 16);
  CHECK(flat(plan.small) == (std::vector<i32>{7, 1, 1, 7, 5, 2}));
}

TEST("transfer_blocks moves the runs both ways and changes no other byte") {
  Random random(emulation::run_seed() + 32);
  EmulatedLauncher launcher;
  for (const i64 block_bytes : {16, 4096, 8208, 20480}) {
    for (const i32 num_pairs :
         {1, 40, 400}) {  // 400 pairs are some 250 runs: more than a launch has
      for (const bool is_to_host : {true, false}) {
        const check::Case in_case(
            check::text(block_bytes, " bytes, ", num_pairs, " pairs, to host ", is_to_host));
        if (block_bytes > 4096 && num_pairs == 400) continue;
        const std::vector<i32> pairs = draw_pairs(num_pairs, random);
        const size_t bytes = size_t(block_bytes) * size_t(2 * num_pairs + 2);
        std::vector<u8> cache = random_bytes(bytes, random), host = random_bytes(bytes, random);
        const DeviceArray<u8> cache_memory(cache), host_memory(host);
        const TransferPlan plan = plan_transfer(pairs.data(), num_pairs, block_bytes, i64{1} << 40);
        check_ok(cuda::transfer_small_runs(
            launcher, {cache_memory.data(), host_memory.data(), block_bytes, is_to_host},
            plan.small));
        for (size_t i = 0; i < pairs.size(); i += 2) {
          const auto block = cache.begin() + pairs[i] * block_bytes;
          const auto host_block = host.begin() + pairs[i + 1] * block_bytes;
          if (is_to_host) {
            std::copy_n(block, block_bytes, host_block);
          } else {
            std::copy_n(host_block, block_bytes, block);
          }
        }
        CHECK(cache_memory.download() == cache);
        CHECK(host_memory.download() == host);
        emulation::note_exact_case("transfer_blocks");
      }
    }
  }
}

TEST("transfer_blocks reaches blocks past 2^32 bytes on both sides") {
  EmulatedLauncher launcher;
  Random random(emulation::run_seed() + 33);
  constexpr i64 kBytes = 24576;
  constexpr i32 kLast = 400000;
  emulation::DeviceBytes cache(size_t(kBytes) * (kLast + 1)), host(size_t(kBytes) * (kLast + 1));
  const std::vector<u8> block = random_bytes(kBytes, random);
  cache.upload(block.data(), block.size(), size_t(kBytes) * kLast);
  check_ok(cuda::transfer_small_runs(launcher, {cache.data(), host.data(), kBytes, true},
                                     {{kLast, kLast - 7, 1}}));
  CHECK(std::memcmp(host.data() + (kLast - 7) * kBytes, block.data(), kBytes) == 0);
}

TEST("transfer_blocks refuses memory that is not aligned and launches nothing for no runs") {
  EmulatedLauncher launcher;
  check_ok(cuda::transfer_small_runs(launcher, {nullptr, nullptr, 16, true}, {}));
  kv_fixture::check_refused(
      cuda::transfer_small_runs(launcher, {nullptr, nullptr, 24, true}, {{0, 0, 1}}), "ERR_NATIVE",
      "aligned");
  CHECK_EQUAL(launcher.num_launches(), 0);
}
