// Copies of whole blocks inside one cache: all layers, K and V, in one contiguous run of bytes.

#include <device.cuh>

#include "copy_blocks.cuh"

namespace block_copies {

// block[destination[i]] = block[source[i]] for all pairs at once.
//
// Shapes   as in CopyBlocksParams; pairs are in device memory
// Grid     any number of CTAs of kCopyThreads; they stride over (pair, piece)
// Needs    block_stride % 16 == 0; no block is both source and destination,
//          none a destination twice
// Moves    2 * num_pairs * block_stride bytes; no arithmetic: memory bandwidth is the ceiling
// Order    pieces are disjoint: none
DEVICE void copy_all(const CopyBlocksParams& params) {
  u8* const blocks = static_cast<u8*>(params.cache.data);
  const i64 stride = params.cache.block_stride;
  const i64 pieces_per_block = num_pieces(stride);
  const i64 end = params.num_pairs * pieces_per_block;
  for (i64 i = blockIdx.x; i < end; i += gridDim.x) {
    const i64 pair = i / pieces_per_block;
    const i64 first = (i - pair * pieces_per_block) * kCopyPieceBytes;
    const i32 source = params.pairs[pair * 2];
    const i32 destination = params.pairs[pair * 2 + 1];
    CU_ASSERT(source >= 0 && source < params.cache.num_blocks);
    CU_ASSERT(destination >= 0 && destination < params.cache.num_blocks);
    if (source == destination) continue;
    copy_piece(blocks + destination * stride + first, blocks + source * stride + first,
               stride - first);
  }
}

}  // namespace block_copies

CU_KERNEL(copy_blocks, block_copies::copy_all, CopyBlocksParams, kCopyThreads, 4)
