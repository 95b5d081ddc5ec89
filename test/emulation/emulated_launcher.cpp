#include "emulated_launcher.h"

#include <cstring>

#include "compare.h"
#include "runtime.h"

namespace emulation {

cuda::GpuInfo small_gpu() {
  return {.num_sms = 4,
          .max_shared_bytes = 99 << 10,
          .shared_bytes_per_sm = 100 << 10,
          .major = 8,
          .minor = 6,
          .l2_bytes = 4 << 20};
}

EmulatedLauncher::EmulatedLauncher(bool is_deterministic, const cuda::GpuInfo& gpu)
    : gpu_(gpu), is_deterministic_(is_deterministic) {}

EmulatedLauncher::~EmulatedLauncher() {
  for (const Piece& piece : pieces_) free_device(piece.data);
}

Status EmulatedLauncher::launch(const char* kernel, const cuda::Grid& grid, const void* params,
                                size_t params_bytes) {
  const Kernel* const found = find_kernel(kernel);
  if (found == nullptr) {
    return Status::error("ERR_CUDA", std::string("no kernel is named ") + kernel);
  }
  const char* const problem = run({.kernel = found,
                                   .grid = {grid.x, grid.y, grid.z},
                                   .block = {grid.threads, 1, 1},
                                   .shared_bytes = grid.shared_bytes,
                                   .params = params,
                                   .params_bytes = params_bytes,
                                   .max_shared_bytes = u32(gpu_.max_shared_bytes)});
  if (problem != nullptr) {
    return Status::error("ERR_CUDA", std::string(kernel) + " was launched with " + problem);
  }
  ++num_launches_;
  last_kernel_ = kernel;
  note_launch(kernel, grid.shared_bytes);
  return Status::ok();
}

Status EmulatedLauncher::workspace(cuda::Workspace purpose, size_t bytes, void** data) {
  Piece& piece = pieces_[size_t(purpose)];
  if (bytes > piece.bytes) {
    free_device(piece.data);
    piece.data = allocate_device(bytes);
    piece.bytes = piece.data != nullptr ? bytes : 0;
    if (piece.data != nullptr) {
      std::memset(piece.data, 0, bytes);
      mark_written(piece.data, bytes);
    }
  }
  *data = piece.data;
  if (piece.data != nullptr) return Status::ok();
  return Status::error("ERR_OUT_OF_MEMORY", "no address space for " + std::to_string(bytes) +
                                                " bytes of emulated device memory");
}

}  // namespace emulation
