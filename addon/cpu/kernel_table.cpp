// The table through which the backend reaches one instruction set's kernels.

#include "isa_kernels.h"

#define PA_STRING_OF(name) #name
#define PA_STRING(name) PA_STRING_OF(name)

namespace cpu::PA_ISA {

const Kernels kKernels = {
    .isa = PA_STRING(PA_ISA),
    .matmul = {.tiling = matmul_tiling,
               .packed_x_bytes = packed_x_bytes,
               .scratch_bytes = matmul_scratch_bytes,
               .pack_x = pack_x,
               .multiply = matmul},
    .quantized_matmul = {.tiling = quantized_tiling,
                         .packed_x_bytes = quantized_x_bytes,
                         .scratch_bytes = quantized_scratch_bytes,
                         .pack_x = quantize_x,
                         .multiply = quantized_matmul},
    .quantize_panel = quantize_panel,
    .attention_row_heads = kAttentionRowHeads,
    .attention_streaming_row_heads = kAttentionStreamingRowHeads,
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
