#pragma once
// Ops that only move or widen values: embed, gatherRows, copyBlocks. Each does a range on one
// thread.

#include "../../cuda/params.h"

namespace cpu {

void embed_rows(const EmbedParams& params, i32 first_token, i32 end_token);
void gather_rows(const GatherRowsParams& params, i32 first_row, i32 end_row);
void copy_block(const CopyBlocksParams& params, i32 pair);

}  // namespace cpu
