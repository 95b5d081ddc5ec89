#pragma once
// What the kernels of the KV cache and their launches agree on.

#include "params.h"

constexpr i32 kKvRowsPerCta = 4;  // head rows, one warp each, of write_kv, read_kv and rope
constexpr i32 kKvRowThreads = kKvRowsPerCta * 32;
constexpr i32 kKvMaxHeadDim = 256;

constexpr i32 kCopyThreads = 256;     // of copy_blocks and transfer_blocks
constexpr i32 kCopyVecsInFlight = 4;  // 64 bytes per thread on their way before one is stored
constexpr i32 kCopyPieceBytes = kCopyThreads * kCopyVecsInFlight * 16;  // of one CTA at a time
