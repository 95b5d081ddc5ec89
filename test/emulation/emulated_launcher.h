#pragma once
// A Launcher that runs kernels on this CPU at once: ops under test need no driver.

#include "../../addon/cuda/launcher.h"

namespace emulation {

// Four SMs and the shared memory of sm_86, the smallest of the GPUs we compile for; splits and
// grids of several waves appear in small tests.
cuda::GpuInfo small_gpu();

class EmulatedLauncher final : public cuda::Launcher {
 public:
  explicit EmulatedLauncher(bool is_deterministic = false, const cuda::GpuInfo& gpu = small_gpu());
  ~EmulatedLauncher() override;
  EmulatedLauncher(const EmulatedLauncher&) = delete;
  EmulatedLauncher& operator=(const EmulatedLauncher&) = delete;

  using cuda::Launcher::launch;
  Status launch(const char* kernel, const cuda::Grid& grid, const void* params,
                size_t params_bytes) override;
  Status workspace(cuda::Workspace purpose, size_t bytes, void** data) override;
  const cuda::GpuInfo& gpu() const override { return gpu_; }
  bool is_deterministic() const override { return is_deterministic_; }

  // Launches since it was made, and the last kernel's name; for tests of which path was taken.
  int num_launches() const { return num_launches_; }
  const std::string& last_kernel() const { return last_kernel_; }

 private:
  struct Piece {
    void* data = nullptr;
    size_t bytes = 0;
  };
  cuda::GpuInfo gpu_;
  bool is_deterministic_;
  Piece pieces_[size_t(cuda::Workspace::kCount)];
  int num_launches_ = 0;
  std::string last_kernel_;
};

}  // namespace emulation
