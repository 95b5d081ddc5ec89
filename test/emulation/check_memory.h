#pragma once
// Accesses that the instrumented kernels report; hooks.h has those of the runtime.

#include "hooks.h"

namespace emulation::check {

// `pc` is where in the kernel; nothing happens outside kernels.
void kernel_access(const void* data, size_t bytes, bool is_write, size_t pc);
// An access whose address is a multiple of its size, or a GPU faults.
void aligned_access(const void* data, size_t bytes, bool is_write, size_t pc);
void kernel_atomic(const void* data, size_t bytes, bool is_write, size_t pc);
void kernel_fence();

}  // namespace emulation::check
