#pragma once
// Weights as the GPU's kernels read them: plain row-major [out_dim, in_dim], rows padded with zeros
// to whole 16-byte vectors.

#include "../backend.h"
#include "staging.h"

namespace cuda {

bool is_weight_dtype(DType dtype);  // bf16 and f16

// Bytes of a weight, padding included.
size_t weight_bytes(i32 out_dim, i32 in_dim);

// Converts parts, stacked along out_dim, to `dtype` and queues their upload to `destination`, in
// slices of whole rows. Fails with ERR_UNSUPPORTED_DTYPE where kernels do not know the dtype.
Status upload_weight(Staging& staging, void* destination, DType dtype, i32 in_dim,
                     const WeightPart* parts, int num_parts);

}  // namespace cuda
