#pragma once
// Whole blocks between the KV cache and pinned host memory, on a stream of their own.

#include <mutex>

#include "../backend.h"
#include "stream.h"

namespace cuda {

// Blocks that lie side by side in the cache and in host memory.
struct BlockRun {
  i32 block;
  i32 host_block;
  i32 length;
};

// Joins `pairs` [num_pairs, 2] (block, host block) into runs, in the order of the blocks.
std::vector<BlockRun> join_runs(const i32* pairs, i32 num_pairs);

// Transfer thread.
class Transfers {
 public:
  // `gate` is held by whoever captures `compute`: meanwhile nothing may be recorded on it.
  Transfers(Context& context, Stream& compute, std::mutex& gate)
      : context_(context), compute_(compute), gate_(gate), stream_(context), ready_(context) {}

  Status open();
  // Moves the blocks after what is queued on `compute` so far; returns when they moved, or when
  // those on their way did after a cancel.
  Status run(const TransferParams& params);

 private:
  Status wait_for_compute();
  Status queue(const TransferParams& params, const BlockRun& run);

  Context& context_;
  Stream& compute_;
  std::mutex& gate_;
  Stream stream_;
  Event ready_;
};

}  // namespace cuda
