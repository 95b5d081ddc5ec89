#pragma once
// What the driver's handles of kernels and graphs point to.

#include <map>

#include "../runtime.h"
#include "stream_queue.h"

namespace cuda {

struct CuFunctionHandle {
  const emulation::Kernel* kernel;
  std::atomic<i32> max_dynamic_bytes{48 << 10};
};

struct CuModuleHandle {
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<CuFunctionHandle>> functions;  // guarded by mutex
};

struct CuGraphHandle {
  std::vector<emulated::Work> nodes;
};

struct CuGraphExecHandle {
  std::shared_ptr<const std::vector<emulated::Work>> nodes;
};

}  // namespace cuda
