#pragma once
// The ops of the CUDA backend, one function each in <stem>_op.cpp, kv_ops.cpp or small_ops.cpp:
// they check what they must, choose a kernel by name, and queue it. They never synchronize,
// allocate or read device memory. Engine thread.

#include "launcher.h"

namespace cuda {

Status embed(Launcher& launcher, const EmbedParams& params);
Status rms_norm(Launcher& launcher, const RmsNormParams& params);
Status matmul(Launcher& launcher, const MatmulParams& params);
Status write_kv(Launcher& launcher, const WriteKvParams& params);
Status read_kv(Launcher& launcher, const ReadKvParams& params);
Status rope_and_write_kv(Launcher& launcher, const RopeAndWriteKvParams& params);
Status paged_attention(Launcher& launcher, const PagedAttentionParams& params);
Status silu_mul(Launcher& launcher, const GatedMulParams& params);
Status gelu_mul(Launcher& launcher, const GatedMulParams& params);
Status gather_rows(Launcher& launcher, const GatherRowsParams& params);
Status scale(Launcher& launcher, const ElementwiseParams& params);
Status softcap(Launcher& launcher, const ElementwiseParams& params);
Status copy_blocks(Launcher& launcher, const CopyBlocksParams& params);
Status sample(Launcher& launcher, const SampleParams& params);

}  // namespace cuda
