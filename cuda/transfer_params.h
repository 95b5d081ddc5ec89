#pragma once
// Parameters of the kernel that moves blocks between the cache and pinned host memory.

#include "params.h"

// Blocks that are neighbours on both sides: block + i belongs to host_block + i.
struct TransferRun {
  i32 block;
  i32 host_block;
  i32 num_blocks;
};

constexpr i32 kMaxTransferRuns = 128;  // of one launch

// The runs travel in the parameters: no descriptor has to reach the device before the launch, and
// none can be overwritten while it is read.
struct TransferBlocksParams {
  u8* blocks;       // block 0 of the cache, 16-byte aligned
  u8* host_blocks;  // host block 0, pinned, as the device addresses it
  i64 block_bytes;  // a multiple of 16
  i64 max_run_bytes;
  i32 num_runs;
  i32 is_to_host;
  TransferRun runs[kMaxTransferRuns];
};
