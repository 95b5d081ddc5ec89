// Ops that have no kernel yet. Weak: the function in an op's own file takes its place.

#include "ops.h"

namespace cuda {

#define PA_PENDING_OP(name, Params)                                       \
  __attribute__((weak)) Status name(Launcher&, const Params&) {           \
    return Status::error("ERR_UNSUPPORTED", #name " has no CUDA kernel"); \
  }

PA_PENDING_OP(embed, EmbedParams)
PA_PENDING_OP(rms_norm, RmsNormParams)
PA_PENDING_OP(matmul, MatmulParams)
PA_PENDING_OP(write_kv, WriteKvParams)
PA_PENDING_OP(read_kv, ReadKvParams)
PA_PENDING_OP(rope_and_write_kv, RopeAndWriteKvParams)
PA_PENDING_OP(paged_attention, PagedAttentionParams)
PA_PENDING_OP(silu_mul, GatedMulParams)
PA_PENDING_OP(gelu_mul, GatedMulParams)
PA_PENDING_OP(gather_rows, GatherRowsParams)
PA_PENDING_OP(scale, ElementwiseParams)
PA_PENDING_OP(softcap, ElementwiseParams)
PA_PENDING_OP(copy_blocks, CopyBlocksParams)
PA_PENDING_OP(sample, SampleParams)

}  // namespace cuda
