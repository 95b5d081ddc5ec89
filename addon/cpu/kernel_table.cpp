// The table through which the backend reaches one instruction set's kernels.

#include "isa_kernels.h"

#define PA_STRING_OF(name) #name
#define PA_STRING(name) PA_STRING_OF(name)

namespace cpu::PA_ISA {

const Kernels kKernels = {
    .isa = PA_STRING(PA_ISA),
    .matmul_tiling = matmul_tiling,
    .packed_x_bytes = packed_x_bytes,
    .matmul_scratch_bytes = matmul_scratch_bytes,
    .pack_x = pack_x,
    .matmul = matmul,
    .attention_row_heads = kAttentionRowHeads,
    .attention_scratch_bytes = attention_scratch_bytes,
    .attend = attend,
    .merge_splits = merge_splits,
    .rms_norm = rms_norm,
    .write_kv = write_kv,
    .read_kv = read_kv,
    .rope_and_write_kv = rope_and_write_kv,
    .silu_mul = silu_mul,
    .gelu_mul = gelu_mul,
    .scale = scale,
    .softcap = softcap,
    .scan_logits = scan_logits,
    .exp_logits = exp_logits,
    .log = log_of,
    .digest = digest,
};

}  // namespace cpu::PA_ISA
