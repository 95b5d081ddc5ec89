#pragma once
// How an op reaches the GPU: a kernel by name, a grid, one parameter struct. Engine thread only.
//
// Two implementations: StreamLauncher queues on a CUDA stream through the driver;
// EmulatedLauncher (test/emulation) runs the same kernels on this CPU.

#include <cstddef>

#include "../../cuda/params.h"
#include "../status.h"

namespace cuda {

// What launches are planned for.
struct GpuInfo {
  i32 num_sms;
  i32 max_shared_bytes;  // of one CTA, opted in: 99 KiB on sm_86 and sm_89, 163 on sm_80, 227 on 90
  i32 shared_bytes_per_sm;
  i32 major;  // compute capability
  i32 minor;
  i64 l2_bytes;
};

struct Grid {
  u32 x = 1;
  u32 y = 1;
  u32 z = 1;
  u32 threads = 128;
  u32 shared_bytes = 0;  // dynamic
};

// Scratch memory by purpose: two purposes never share a piece, so ops in flight do not collide.
enum class Workspace : u8 {
  kAttentionPlan,
  kAttentionPartials,
  kMatmul,
  kSample,
  kCount,
};

class Launcher {
 public:
  virtual ~Launcher() = default;

  // Queues one kernel; `params` is copied before this returns. Errors of the kernel itself may
  // surface at a later call.
  virtual Status launch(const char* kernel, const Grid& grid, const void* params,
                        size_t params_bytes) = 0;
  // Device memory of at least `bytes`, 256-byte aligned, zeros when it is new; what a kernel left
  // there stays for the next op of the same purpose. Null and a failed status when the device is
  // out of memory, or when it had to grow while steps are being captured.
  virtual Status workspace(Workspace purpose, size_t bytes, void** data) = 0;
  virtual const GpuInfo& gpu() const = 0;
  // Whether every result must follow the fixed order of arithmetic (docs/architecture.md).
  virtual bool is_deterministic() const = 0;
  // Queues the product by a library of the machine's; false where there is none, or where it does
  // not take this product: then nothing is queued. Its sums have an order of their own.
  virtual bool try_library_matmul(const MatmulParams& /*params*/) { return false; }

  template <class Params>
  Status launch(const char* kernel, const Grid& grid, const Params& params) {
    return launch(kernel, grid, &params, sizeof params);
  }
};

}  // namespace cuda
