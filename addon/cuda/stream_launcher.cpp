#include "stream_launcher.h"

#include <algorithm>

namespace cuda {

StreamLauncher::StreamLauncher(Context& context, const KernelImage& image, Stream& stream,
                               DeviceMemory* memory, bool is_deterministic)
    : context_(context),
      kernels_(image),
      stream_(stream),
      memory_(memory),
      is_deterministic_(is_deterministic) {}

StreamLauncher::~StreamLauncher() {
  if (memory_ == nullptr) return;
  for (const Piece& piece : workspaces_) memory_->free(piece.data, piece.bytes);
}

Status StreamLauncher::launch(const char* name, const Grid& grid, const void* params,
                              size_t /*params_bytes*/) {
  KernelTable::Kernel* kernel = nullptr;
  Status status = kernels_.find(name, &kernel);
  if (status.is_ok() && grid.shared_bytes > kernel->max_dynamic_bytes) {
    status = allow_dynamic_bytes(*kernel, name, grid.shared_bytes);
  }
  if (!status.is_ok()) return status;
  void* arguments[] = {const_cast<void*>(params)};  // one struct, copied by the driver
  return context_.check(
      context_.driver().launch_kernel(kernel->function, grid.x, grid.y, grid.z, grid.threads, 1, 1,
                                      grid.shared_bytes, stream_.handle(), arguments, nullptr),
      "cuLaunchKernel", name);
}

Status StreamLauncher::allow_dynamic_bytes(KernelTable::Kernel& kernel, const char* name,
                                           u32 bytes) {
  Status status = context_.check(
      context_.driver().func_set_attribute(kernel.function, kCuMaxDynamicSharedBytes, i32(bytes)),
      "cuFuncSetAttribute", name);
  if (status.is_ok()) kernel.max_dynamic_bytes = bytes;
  return status;
}

Status StreamLauncher::workspace(Workspace purpose, size_t bytes, void** data) {
  Piece& piece = workspaces_[static_cast<size_t>(purpose)];
  *data = piece.data;
  if (bytes <= piece.bytes) return Status::ok();
  *data = nullptr;
  if (is_capturing_ || memory_ == nullptr) {
    return Status::error(
        "ERR_CUDA", "a workspace of " + std::to_string(piece.bytes) + " bytes cannot grow to " +
                        std::to_string(bytes) +
                        (is_capturing_ ? " while launches are recorded" : " here"));
  }
  // Twice the old size at least, so that growing contexts move it a few times only.
  Piece larger = {nullptr, std::max(bytes, 2 * piece.bytes)};
  Status status = memory_->allocate(larger.bytes, &larger.data);
  if (!status.is_ok() && larger.bytes > bytes) {
    larger.bytes = bytes;
    status = memory_->allocate(larger.bytes, &larger.data);
  }
  if (!status.is_ok()) return status;
  if (piece.data != nullptr) num_moves_++;
  memory_->free(piece.data, piece.bytes);
  piece = larger;
  *data = piece.data;
  return status;
}

bool StreamLauncher::try_library_matmul(const MatmulParams& params) {
  void* workspace = nullptr;
  return cublaslt_ != nullptr &&
         this->workspace(Workspace::kMatmul, Cublaslt::kWorkspaceBytes, &workspace).is_ok() &&
         cublaslt_->matmul(params, workspace, stream_.handle());
}

}  // namespace cuda
