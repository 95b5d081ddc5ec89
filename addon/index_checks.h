#pragma once
// Refuses indices that would leave the memory they point into. Engine thread only.

#include <vector>

#include "op.h"

// Checks pairs [num_pairs][2: source, destination]: real blocks; none is source and destination,
// none a destination twice. `roles` is scratch, [num_blocks] zeros, and zeros again after the call.
Status check_copies(const i32* pairs, i32 num_pairs, i32 num_blocks, std::vector<u8>& roles);

// Checks the ids, slots, positions and tables that a bound op with concrete tensors would follow.
Status check_indices(const Op& op, Backend& backend);
