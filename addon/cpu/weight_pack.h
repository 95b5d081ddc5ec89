#pragma once
// Packing weights into panels at load, and reading single rows back for embed.

#include "../backend.h"
#include "kernels.h"

namespace cpu {

i32 num_panels(i32 out_dim);

// Bytes of one panel of a weight with in_dim inputs.
i64 panel_bytes(DType dtype, i32 in_dim);

// Packs outputs [panel * 32, + 32) of the stacked parts into `destination` (the whole weight),
// converting to dtype; outputs and inputs that no part has become zeros.
void pack_panel(const Kernels& kernels, void* destination, DType dtype, i32 in_dim,
                const WeightPart* parts, int num_parts, i32 panel);

// out[i] = weight[row][i], widened. [in_dim]
void unpack_row(const PackedWeight& weight, i32 row, f32* out);

}  // namespace cpu
