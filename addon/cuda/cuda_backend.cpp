#include "cuda_backend.h"

#include <algorithm>
#include <cstring>

#include "ops.h"
#include "weight_upload.h"

namespace cuda {

CudaBackend::CudaBackend(std::unique_ptr<Context> context, std::unique_ptr<KernelImage> image,
                         const CudaOptions& options)
    : context_(std::move(context)),
      image_(std::move(image)),
      max_bytes_(options.max_bytes),
      stream_(*context_),
      memory_(*context_, stream_, options.max_bytes),
      staging_(*context_, stream_),
      launcher_(*context_, *image_, stream_, &memory_, options.is_deterministic),
      graphs_(launcher_, capture_gate_),
      transfers_(*context_, *image_, stream_, capture_gate_) {}

// Members give back what they hold; on a lost device the driver refuses, which changes nothing.
CudaBackend::~CudaBackend() {
  context_->enter_to_free();
  context_->driver().stream_synchronize(stream_.handle());
}

std::unique_ptr<CudaBackend> CudaBackend::open(std::unique_ptr<Context> context,
                                               std::unique_ptr<KernelImage> image,
                                               const CudaOptions& options,
                                               std::vector<std::string>* tries, Status* status) {
  std::unique_ptr<CudaBackend> backend(
      new CudaBackend(std::move(context), std::move(image), options));
  *status = backend->open_parts(tries);
  if (!status->is_ok()) return nullptr;
  return backend;
}

Status CudaBackend::open_parts(std::vector<std::string>* tries) {
  Status status = stream_.open();
  if (status.is_ok()) status = staging_.open();
  if (status.is_ok()) status = transfers_.open();
  if (!status.is_ok() || launcher_.is_deterministic()) return status;
  launcher_.use_library(Cublaslt::open(tries));
  return context_->enter();  // the library may have made its own context current
}

BackendInfo CudaBackend::info() const {
  const auto limited = [this](size_t bytes) {
    return i64(max_bytes_ > 0 ? std::min(bytes, max_bytes_) : bytes);
  };
  const GpuInfo& gpu = context_->gpu();
  return {.backend = "cuda",
          .isa = image_->image().arch,
          .name = context_->name(),
          .threads = 1,
          .is_deterministic = launcher_.is_deterministic(),
          .compute_capability = std::to_string(gpu.major) + "." + std::to_string(gpu.minor),
          .memory_bytes = limited(context_->total_bytes()),
          .free_bytes = limited(context_->free_bytes())};
}

Status CudaBackend::enter_unrecorded(const char* what) {
  if (launcher_.is_capturing()) {
    return Status::error("ERR_CUDA", std::string(what) + " cannot be part of a recorded step");
  }
  return context_->enter();
}

void* CudaBackend::allocate(size_t bytes, bool /*huge*/) {
  void* data = nullptr;
  if (enter_unrecorded("an allocation").is_ok()) memory_.allocate(bytes, &data);
  return data;
}

void CudaBackend::free(void* data, size_t bytes) {
  context_->enter_to_free();
  memory_.free(data, bytes);
}

Status CudaBackend::upload(void* destination, const void* host, size_t bytes) {
  Status status = enter_unrecorded("an upload");
  return status.is_ok() ? staging_.upload(destination, host, bytes) : status;
}

Status CudaBackend::download(void* host, const void* source, size_t bytes) {
  Status status = enter_unrecorded("a download");
  return status.is_ok() ? staging_.download(host, source, bytes) : status;
}

Status CudaBackend::fill(void* destination, u8 byte, size_t bytes) {
  Status status = context_->enter();
  if (!status.is_ok() || bytes == 0) return status;
  const auto to = reinterpret_cast<CuDevicePointer>(destination);
  return context_->check(context_->driver().memset_d8_async(to, byte, bytes, stream_.handle()),
                         "cuMemsetD8Async");
}

Status CudaBackend::finish() {
  Status status = enter_unrecorded("a wait");
  return status.is_ok() ? stream_.synchronize() : status;
}

void* CudaBackend::allocate_host(size_t bytes) {
  void* data = nullptr;
  if (!context_->enter().is_ok()) return nullptr;
  const CuResult result =
      context_->driver().mem_host_alloc(&data, std::max<size_t>(bytes, 1), kCuHostAllocPortable);
  if (result != kCuSuccess) return nullptr;
  return std::memset(data, 0, bytes);
}

void CudaBackend::free_host(void* data, size_t /*bytes*/) {
  if (data == nullptr) return;
  context_->enter_to_free();
  context_->driver().mem_free_host(data);
}

Status CudaBackend::transfer_blocks(const TransferParams& params) {
  Status status = context_->enter();
  return status.is_ok() ? transfers_.run(params) : status;
}

bool CudaBackend::supports_weights(DType dtype) const { return is_weight_dtype(dtype); }
bool CudaBackend::supports_cache(DType dtype) const { return is_weight_dtype(dtype); }

i32 CudaBackend::recorded_rows(i32 num_rows) const { return cuda::recorded_rows(num_rows); }

Status CudaBackend::run_recorded(const RecordKey& key, const std::function<Status()>& ops) {
  Status status = context_->enter();
  return status.is_ok() ? graphs_.run(key, ops) : status;
}

void CudaBackend::forget_recorded(u64 program) {
  context_->enter_to_free();
  graphs_.forget(program);
}

size_t CudaBackend::packed_bytes(DType /*dtype*/, i32 out_dim, i32 in_dim) const {
  return weight_bytes(out_dim, in_dim);
}

Status CudaBackend::pack_weight(void* destination, DType dtype, i32 in_dim, const WeightPart* parts,
                                int num_parts) {
  Status status = enter_unrecorded("loading a weight");
  return status.is_ok() ? upload_weight(staging_, destination, dtype, in_dim, parts, num_parts)
                        : status;
}

template <class Params>
Status CudaBackend::run(Status (*op)(Launcher&, const Params&), const Params& params) {
  Status status = context_->enter();
  return status.is_ok() ? op(launcher_, params) : status;
}

Status CudaBackend::embed(const EmbedParams& params) { return run(cuda::embed, params); }
Status CudaBackend::rms_norm(const RmsNormParams& params) { return run(cuda::rms_norm, params); }
Status CudaBackend::matmul(const MatmulParams& params) { return run(cuda::matmul, params); }
Status CudaBackend::write_kv(const WriteKvParams& params) { return run(cuda::write_kv, params); }
Status CudaBackend::read_kv(const ReadKvParams& params) { return run(cuda::read_kv, params); }
Status CudaBackend::rope_and_write_kv(const RopeAndWriteKvParams& params) {
  return run(cuda::rope_and_write_kv, params);
}
Status CudaBackend::paged_attention(const PagedAttentionParams& params) {
  return run(cuda::paged_attention, params);
}
Status CudaBackend::silu_mul(const GatedMulParams& params) { return run(cuda::silu_mul, params); }
Status CudaBackend::gelu_mul(const GatedMulParams& params) { return run(cuda::gelu_mul, params); }
Status CudaBackend::gather_rows(const GatherRowsParams& params) {
  return run(cuda::gather_rows, params);
}
Status CudaBackend::scale(const ElementwiseParams& params) { return run(cuda::scale, params); }
Status CudaBackend::softcap(const ElementwiseParams& params) { return run(cuda::softcap, params); }
Status CudaBackend::copy_blocks(const CopyBlocksParams& params) {
  return run(cuda::copy_blocks, params);
}
Status CudaBackend::sample(const SampleParams& params) { return run(cuda::sample, params); }

}  // namespace cuda
