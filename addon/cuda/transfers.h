#pragma once
// Whole blocks between the KV cache and pinned host memory, on a stream of their own.

#include <mutex>

#include "../backend.h"
#include "stream_launcher.h"
#include "transfer_op.h"

namespace cuda {

// Transfer thread.
class Transfers {
 public:
  // `gate` is held by whoever captures `compute`: meanwhile nothing may be recorded on it.
  Transfers(Context& context, const KernelImage& image, Stream& compute, std::mutex& gate);

  Status open();
  // Moves the blocks after what is queued on `compute` so far; returns when they moved, or when
  // those on their way did after a cancel.
  Status run(const TransferParams& params);

 private:
  Status wait_for_compute();
  Status copy(const TransferSides& sides, const TransferRun& run);
  Status copy_runs(const TransferSides& sides, const std::vector<TransferRun>& runs,
                   const std::atomic<bool>& cancelled);

  Context& context_;
  Stream& compute_;
  std::mutex& gate_;
  Stream stream_;
  Event ready_;
  StreamLauncher launcher_;
};

}  // namespace cuda
