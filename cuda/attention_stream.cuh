#pragma once
// The stream of K and V pieces through a ring in shared memory: while one slot is multiplied, the
// others are on their way.
//
// A step of 64 positions is kPieces slots of K, then kPieces of V. Decode: a warp streams for
// itself, one slot per 16 positions. Prefill: a CTA streams together, each warp copying 16 rows of
// each 64-row slot.

#include "attention_tile.cuh"

namespace attention_stream {

template <i32 kHeadDim, i32 kSlots, i32 kSlotRows, i32 kPieces>
struct Stream {
  static constexpr u32 kSlotBytes = u32(kSlotRows * attention_row_pitch(kHeadDim));
  static_assert(kSlots >= 2, "one slot in use, one on its way");

  attention_tile::HeadCache cache;
  attention_tile::BlockPair blocks;  // of the next piece to be copied, read a piece ahead
  i32 position;                      // of that piece
  i32 num_left;                      // slots to be filled
  u32 ring;                          // shared address of slot 0
  u32 fill_at;                       // offset of the next slot to be filled
  u32 use_at;                        // of the next one to be multiplied

  // Starts the first copies.
  // @param ring_address    of slot 0; warps of a CTA that stream together give the same
  // @param first_position  of this warp's rows in the first slot
  // @param num_steps       of 64 positions; 0 streams nothing
  DEVICE Stream(const attention_tile::HeadCache& head_cache, u32 ring_address, i32 first_position,
                i32 num_steps)
      : cache(head_cache),
        blocks(attention_tile::blocks_of(head_cache, first_position)),
        position(first_position),
        num_left(num_steps * 2 * kPieces),
        ring(ring_address),
        fill_at(0),
        use_at(0) {
#pragma unroll
    for (i32 i = 0; i < kSlots - 1; i++) start_copy();
  }

  // The first row of a slot that this warp copies.
  DEVICE u32 copy_offset() const {
    if (kSlotRows == attention_tile::kPieceRows) return 0;
    return threadIdx.x / kWarpSize * attention_tile::kPieceBytes<kHeadDim>;
  }

  DEVICE static u32 next_slot(u32 at) {
    return at == (kSlots - 1) * kSlotBytes ? 0 : at + kSlotBytes;
  }

  // Groups are counted, so an empty one is committed past the end.
  DEVICE void start_copy() {
    const i32 slot_of_step = -num_left & (2 * kPieces - 1);
    if (num_left > 0) {
      attention_tile::copy_piece<kHeadDim>(ring + fill_at + copy_offset(), cache,
                                           slot_of_step >= kPieces, blocks, position);
    }
    ptx::cp_async_commit();
    // After the last K comes the first V of the same step, after the last V the next step.
    position += attention_tile::kPieceRows;
    if (slot_of_step == kPieces - 1) position -= kPieces * attention_tile::kPieceRows;
    if (slot_of_step == 2 * kPieces - 1) {
      position += kAttentionTilePositions - kPieces * attention_tile::kPieceRows;
    }
    blocks = attention_tile::blocks_of(cache, position);
    fill_at = next_slot(fill_at);
    num_left--;
  }

  // Waits for the next slot, refills the one that was used before it, and gives its address.
  DEVICE u32 next() {
    ptx::cp_async_wait<kSlots - 2>();
    if (kSlotRows == attention_tile::kPieceRows) {
      sync_warp();
    } else {
      sync_cta();
    }
    start_copy();
    const u32 slot = ring + use_at;
    use_at = next_slot(use_at);
    return slot;
  }
};

}  // namespace attention_stream
