#pragma once
// The Backend of the CPU: cuts ops into ranges for the thread pool and runs one instruction set's
// kernels on them. Engine thread only, as Backend says.

#include <memory>
#include <vector>

#include "../backend.h"
#include "attention_plan.h"
#include "cpu_memory.h"
#include "kernels.h"
#include "sample.h"
#include "thread_pool.h"

class CpuBackend : public Backend {
 public:
  CpuBackend(const cpu::Kernels& kernels, int num_threads);

  BackendInfo info() const override;
  void* allocate(size_t bytes, bool huge) override;
  void free(void* data, size_t bytes) override;
  Status upload(void* destination, const void* host, size_t bytes) override;
  Status download(void* host, const void* source, size_t bytes) override;
  Status fill(void* destination, u8 byte, size_t bytes) override;
  size_t packed_bytes(DType dtype, i32 out_dim, i32 in_dim) const override;
  Status pack_weight(void* destination, DType dtype, i32 in_dim, const WeightPart* parts,
                     int num_parts) override;

  Status embed(const EmbedParams& params) override;
  Status rms_norm(const RmsNormParams& params) override;
  Status matmul(const MatmulParams& params) override;
  Status write_kv(const WriteKvParams& params) override;
  Status read_kv(const ReadKvParams& params) override;
  Status rope_and_write_kv(const RopeAndWriteKvParams& params) override;
  Status paged_attention(const PagedAttentionParams& params) override;
  Status silu_mul(const GatedMulParams& params) override;
  Status gelu_mul(const GatedMulParams& params) override;
  Status gather_rows(const GatherRowsParams& params) override;
  Status scale(const ElementwiseParams& params) override;
  Status softcap(const ElementwiseParams& params) override;
  Status copy_blocks(const CopyBlocksParams& params) override;
  Status sample(const SampleParams& params) override;

 private:
  // Calls range(begin, end) over [0, count) in pieces that are worth handing out, on the pool.
  template <class Range>
  void for_ranges(i32 count, i64 work_per_item, Range&& range);
  // `bytes` of scratch for each thread, in scratch_; false when there is no memory.
  bool require_thread_scratch(size_t bytes);
  cpu::MatmulTask plan_matmul(const MatmulParams& params, const cpu::MatmulTiling& tiling) const;
  // Calls body(item, worker) for each item: on the pool, or here when `num_products` multiply-adds
  // in all are not worth waking it.
  template <class Body>
  void for_items(i64 num_items, i64 num_products, Body&& body) {
    if (num_products >= 2 * kMinProductsPerPiece) return pool_.parallel_for(num_items, body);
    for (i64 item = 0; item < num_items; ++item) body(item, 0);
  }
  // Fills attention_plan_ and partial_states_ and makes the scratch that they need.
  Status plan_attention(const PagedAttentionParams& params);
  void clear_empty_rows(const PagedAttentionParams& params);

  // Fewer multiply-adds than this on a thread cost more to hand out than to do.
  static constexpr i64 kMinProductsPerPiece = 65536;

  const cpu::Kernels& kernels_;
  cpu::ThreadPool pool_;
  std::vector<cpu::ScratchBuffer> scratch_;  // one per thread
  cpu::ScratchBuffer packed_x_;
  cpu::ScratchBuffer partials_;
  std::vector<cpu::SoftmaxState> partial_states_;
  cpu::AttentionPlan attention_plan_;
  size_t attention_scratch_bytes_ = 0;              // per thread, of attention_plan_
  std::vector<cpu::SampleScratch> sample_scratch_;  // one per thread
};
