#pragma once
// The emulated GPU: kernels by name, launches, device memory. Kernel tests, EmulatedLauncher and
// the emulated driver stand on it. Every function may be called from any thread.

#include <cstddef>
#include <string>
#include <vector>

#include "../../cuda/params.h"

namespace emulation {

struct Kernel;

// Null when no kernel has this name.
const Kernel* find_kernel(const std::string& name);
// Names in alphabetical order.
std::vector<std::string> kernel_names();
u32 params_bytes_of(const Kernel* kernel);
u32 max_threads_of(const Kernel* kernel);

struct Launch {
  const Kernel* kernel;
  u32 grid[3];
  u32 block[3];
  u32 shared_bytes;  // dynamic
  const void* params;
  size_t params_bytes;
  u32 max_shared_bytes = 227 << 10;  // of one CTA, static and dynamic
};

// Runs all CTAs and returns when they are done; launches of several threads run one after another.
// Gives null, or what is wrong with the launch itself (nothing has run then). A fault inside a
// kernel (divergent barrier, deadlock, bad mask, overflow of shared memory, failed CU_ASSERT) is
// reported on stderr and ends the process with exit code 98.
const char* run(const Launch& launch);

// The order in which threads and CTAs go on: "a" ascending, "d" descending, "r<seed>" random.
// Initially $EMULATION_ORDER, or "a". False when `order` is none of these.
bool set_order(const std::string& order);
std::string order_name();
// OS threads that CTAs are spread over. Initially $EMULATION_THREADS, or the number of cores; the
// checking build has one.
void set_num_threads(u32 num_threads);

// Emulated device memory, 256-byte aligned, with guards of NaN bytes on both sides and unmapped
// pages behind; also for pinned host memory that kernels read. The bytes are 0xFF (NaN), beyond
// 64 MiB zeros whose pages exist once touched. Null when the address space is used up.
void* allocate_device(size_t bytes);
// Later accesses fault. Null is allowed. Aborts when a guard was overwritten.
void free_device(void* data);
// The host wrote these bytes (a copy, a memset): reading them is fine from now on.
void mark_written(const void* data, size_t bytes);
// Whether [data, data + bytes) lies within one live allocation.
bool is_device_memory(const void* data, size_t bytes);
// Whether the guards of the allocation at `data` are untouched.
bool has_intact_guards(const void* data);

// Races, unwritten reads and accesses outside arrays reported so far; 0 in builds without the
// check.
u32 num_reports();

// Prints kernel, CTA and thread when a kernel touches unmapped memory. For test programs: it takes
// over SIGSEGV and SIGBUS.
void report_crashes();

}  // namespace emulation
