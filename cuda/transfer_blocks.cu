// Small transfers between the cache and pinned host memory, over the bus by loads and stores: below
// some 32 KiB the copy engine's cost per descriptor is more than the bytes are worth.

#include <device.cuh>

#include "copy_blocks.cuh"
#include "transfer_params.h"

namespace block_transfers {

// Moves every run, all to the host or all from it.
//
// Shapes   as in TransferBlocksParams
// Grid     a few CTAs of kCopyThreads fill the bus; they stride over (run, piece)
// Needs    16-byte aligned memory on both sides; runs are disjoint
// Moves    block_bytes * (sum of num_blocks) bytes over the bus, which is the ceiling
// Order    pieces are disjoint: none
DEVICE void move_runs(const TransferBlocksParams& params) {
  const i64 pieces_per_run = block_copies::num_pieces(params.max_run_bytes);
  const i64 end = params.num_runs * pieces_per_run;
  for (i64 i = blockIdx.x; i < end; i += gridDim.x) {
    const TransferRun& run = params.runs[i / pieces_per_run];
    const i64 first = i % pieces_per_run * kCopyPieceBytes;
    const i64 num_bytes = run.num_blocks * params.block_bytes - first;  // none: a shorter run
    u8* const block = params.blocks + run.block * params.block_bytes + first;
    u8* const host = params.host_blocks + run.host_block * params.block_bytes + first;
    if (params.is_to_host != 0) {
      block_copies::copy_piece(host, block, num_bytes);
    } else {
      block_copies::copy_piece(block, host, num_bytes);
    }
  }
}

}  // namespace block_transfers

CU_KERNEL(transfer_blocks, block_transfers::move_runs, TransferBlocksParams, kCopyThreads, 4)
