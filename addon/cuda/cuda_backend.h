#pragma once
// The Backend of an NVIDIA GPU: ops are queued on one stream, blocks are transferred on another.
// Threads as Backend says; every entry makes the GPU's context the calling thread's.

#include "../backend.h"
#include "graphs.h"
#include "staging.h"
#include "transfers.h"

namespace cuda {

class CudaBackend final : public Backend {
 public:
  // Null and a failed status when something the GPU needs cannot be had.
  //
  // @param tries  gets lines about cuBLASLt
  static std::unique_ptr<CudaBackend> open(std::unique_ptr<Context> context,
                                           std::unique_ptr<KernelImage> image,
                                           const CudaOptions& options,
                                           std::vector<std::string>* tries, Status* status);
  ~CudaBackend() override;

  BackendInfo info() const override;
  void* allocate(size_t bytes, bool huge) override;
  void free(void* data, size_t bytes) override;
  Status upload(void* destination, const void* host, size_t bytes) override;
  Status download(void* host, const void* source, size_t bytes) override;
  Status fill(void* destination, u8 byte, size_t bytes) override;
  Status finish() override;
  void* allocate_host(size_t bytes) override;
  void free_host(void* data, size_t bytes) override;
  Status transfer_blocks(const TransferParams& params) override;
  bool supports_weights(DType dtype) const override;
  bool supports_cache(DType dtype) const override;
  i32 recorded_rows(i32 num_rows) const override;
  Status run_recorded(const RecordKey& key, const std::function<Status()>& ops) override;
  void forget_recorded(u64 program) override;
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
  CudaBackend(std::unique_ptr<Context> context, std::unique_ptr<KernelImage> image,
              const CudaOptions& options);
  Status open_parts(std::vector<std::string>* tries);
  // The context, for work that may not be part of a recording.
  Status enter_unrecorded(const char* what);
  template <class Params>
  Status run(Status (*op)(Launcher&, const Params&), const Params& params);

  // In the order of their making: each stands on those before it.
  const std::unique_ptr<Context> context_;
  const std::unique_ptr<KernelImage> image_;
  const size_t max_bytes_;  // of device memory; 0: what the GPU has
  std::mutex capture_gate_;
  Stream stream_;
  DeviceMemory memory_;
  Staging staging_;
  StreamLauncher launcher_;
  Graphs graphs_;
  Transfers transfers_;
};

}  // namespace cuda
