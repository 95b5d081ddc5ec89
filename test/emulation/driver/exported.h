#pragma once
// How the driver's functions are written here.

#include "gpu.h"
#include "stream_queue.h"

using namespace cuda;      // the types that driver.h declares
using namespace emulated;  // and what stands behind them

#define DRIVER_EXPORT extern "C" __attribute__((visibility("default")))

// First line of a driver function.
#define BEGIN_CALL(call, needs)                                                       \
  if (const CuResult begun = gpu().begin(#call, Needs::needs); begun != kCuSuccess) { \
    return begun;                                                                     \
  }

// Guards against handles that were given back, and against null.
#define REQUIRE_ALIVE(handle) \
  if ((handle) == nullptr || !gpu().is_alive(handle)) return kCuInvalidHandle

namespace emulated {

// The exported function that cuGetProcAddress gives for a name without version; null: unknown.
void* find_exported(const char* base);

// Gives back a handle that was made with new.
template <class Handle>
CuResult destroy(Handle* handle) {
  if (handle == nullptr || !gpu().remove(handle)) return kCuInvalidHandle;
  delete handle;
  return kCuSuccess;
}

}  // namespace emulated
