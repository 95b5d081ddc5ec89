#pragma once
// The kernels of one instruction set, as kernel_table.cpp collects them; contracts in kernels.h.

#include "kernels.h"

namespace cpu::PA_ISA {

MatmulTiling matmul_tiling(i32 num_rows);
size_t packed_x_bytes(const MatmulParams& params);
size_t matmul_scratch_bytes(const MatmulParams& params, const MatmulTask& task);
void pack_x(const MatmulParams& params, void* packed_x, i32 tile);
void matmul(const MatmulParams& params, const void* packed_x, const MatmulTask& task,
            void* scratch);

MatmulTiling quantized_tiling(i32 num_rows);
size_t quantized_x_bytes(const MatmulParams& params);
size_t quantized_scratch_bytes(const MatmulParams& params, const MatmulTask& task);
void quantize_x(const MatmulParams& params, void* packed_x, i32 tile);
void quantized_matmul(const MatmulParams& params, const void* packed_x, const MatmulTask& task,
                      void* scratch);
void quantize_panel(void* panel, DType dtype, i32 in_dim, const PanelRows& rows);

extern const i32 kAttentionRowHeads, kAttentionStreamingRowHeads;
size_t attention_scratch_bytes(i32 head_dim, i32 max_row_heads);
void attend(const PagedAttentionParams& params, const AttentionTask& task,
            const AttentionItem& item, void* scratch, const SoftmaxState* partials);
void merge_splits(const PagedAttentionParams& params, const AttentionTask& task,
                  const AttentionItem& item, const SoftmaxState* partials, void* scratch);

void rms_norm(const RmsNormParams& params, i32 first_row, i32 end_row);
void write_kv(const WriteKvParams& params, i32 first_token, i32 end_token);
void read_kv(const ReadKvParams& params, i32 first_slot, i32 end_slot);
void rope_and_write_kv(const RopeAndWriteKvParams& params, i32 first_token, i32 end_token);
void silu_mul(const GatedMulParams& params, i32 first_row, i32 end_row);
void gelu_mul(const GatedMulParams& params, i32 first_row, i32 end_row);
void scale(const ElementwiseParams& params, i32 first_row, i32 end_row);
void softcap(const ElementwiseParams& params, i32 first_row, i32 end_row);

LogitsScan scan_logits(const f32* logits, i32 count);
void exp_logits(const f32* logits, i32 count, f32 max, f32* out, double* chunk_sums);
f32 log_of(f32 x);
u64 digest(const f32* logits, i32 count);

}  // namespace cpu::PA_ISA
