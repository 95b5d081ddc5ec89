#pragma once
// What of a transfer goes through the copy engine and what through a kernel, and the kernel's
// launch.

#include <vector>

#include "../../cuda/transfer_params.h"
#include "launcher.h"

namespace cuda {

// Runs of fewer bytes cost the copy engine more than an SM that loads and stores them: its price is
// per descriptor.
constexpr i64 kTransferCrossoverBytes = 32768;

struct TransferPlan {
  std::vector<TransferRun> copies;  // for the copy engine, in the order of the blocks
  std::vector<TransferRun> small;   // for the kernel, in the order of the blocks
};

// Sorts `pairs` [num_pairs][2: block, host block] by block and joins neighbours that are neighbours
// on both sides; runs of at least `crossover_bytes` are copies. Pairs move together, so no place is
// written twice among them.
TransferPlan plan_transfer(const i32* pairs, i32 num_pairs, i64 block_bytes,
                           i64 crossover_bytes = kTransferCrossoverBytes);

// One side's memory each; 16-byte aligned.
struct TransferSides {
  void* blocks;       // block 0 of the cache
  void* host_blocks;  // host block 0, pinned
  i64 block_bytes;    // a multiple of 16
  bool is_to_host;
};

// Whether the kernel can move blocks between these.
bool can_move_by_kernel(const TransferSides& sides);

// Queues the kernel for `runs` on the launcher's stream: one launch for each kMaxTransferRuns.
// Transfer thread.
Status transfer_small_runs(Launcher& launcher, const TransferSides& sides,
                           const std::vector<TransferRun>& runs);

}  // namespace cuda
