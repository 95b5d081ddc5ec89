#pragma once
// Launches on a CUDA stream, through the driver.

#include <array>

#include "cublaslt.h"
#include "device_memory.h"
#include "kernel_image.h"

namespace cuda {

// The thread that queues on its stream.
class StreamLauncher final : public Launcher {
 public:
  // `memory` may be null where no op asks for workspaces.
  StreamLauncher(Context& context, const KernelImage& image, Stream& stream, DeviceMemory* memory,
                 bool is_deterministic);
  ~StreamLauncher() override;
  StreamLauncher(const StreamLauncher&) = delete;
  StreamLauncher& operator=(const StreamLauncher&) = delete;

  using Launcher::launch;
  Status launch(const char* kernel, const Grid& grid, const void* params,
                size_t params_bytes) override;
  Status workspace(Workspace purpose, size_t bytes, void** data) override;
  const GpuInfo& gpu() const override { return context_.gpu(); }
  bool is_deterministic() const override { return is_deterministic_; }
  bool try_library_matmul(const MatmulParams& params) override;

  // Matrix products may be cuBLASLt's from now on; null changes nothing.
  void use_library(std::unique_ptr<Cublaslt> cublaslt) { cublaslt_ = std::move(cublaslt); }

  Context& context() { return context_; }
  Stream& stream() { return stream_; }
  // While launches are recorded, no workspace may grow.
  void set_capturing(bool is_capturing) { is_capturing_ = is_capturing; }
  bool is_capturing() const { return is_capturing_; }
  // Counts workspaces that moved: launches recorded before have pointers that are no longer good.
  u64 num_moves() const { return num_moves_; }

 private:
  struct Piece {
    void* data = nullptr;
    size_t bytes = 0;
  };

  Status allow_dynamic_bytes(KernelTable::Kernel& kernel, const char* name, u32 bytes);

  Context& context_;
  KernelTable kernels_;
  Stream& stream_;
  DeviceMemory* const memory_;
  const bool is_deterministic_;
  bool is_capturing_ = false;
  u64 num_moves_ = 0;
  std::array<Piece, static_cast<size_t>(Workspace::kCount)> workspaces_;
  std::unique_ptr<Cublaslt> cublaslt_;
};

}  // namespace cuda
