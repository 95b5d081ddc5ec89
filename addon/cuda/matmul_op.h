#pragma once
// Which kernel of ours multiplies: the choice apart from the launch, for tests and benchmarks.

#include "launcher.h"

namespace cuda {

// The tiles of cuda/matmul_params.h.
enum class MatmulVariant : u8 { k128x128, k64x64, k16x32, k64x64Unaligned };

// Whether rows of x can be read 16 bytes at a time.
bool is_matmul_aligned(const MatmulParams& params);

// The quickest of the variants that can read x, by how many waves of CTAs it needs.
MatmulVariant choose_matmul_variant(const GpuInfo& gpu, const MatmulParams& params);

// Queues our own product with one variant: the same bits whatever the variant.
Status launch_matmul(Launcher& launcher, MatmulVariant variant, const MatmulParams& params);

// Queues the product of at most kMaxFewRows rows that reads the weight at full bandwidth; its sums
// have another order.
Status launch_matmul_few_rows(Launcher& launcher, const MatmulParams& params);

}  // namespace cuda
