#pragma once
// One CTA on one OS thread: its threads are fibers, and every barrier and warp collective is a
// place where another thread may go on. What device.cuh and ptx.cuh of this folder stand on.
//
// A collective takes the address of each lane's arguments, on that lane's stack; the last lane to
// arrive runs the operation for all. Compiles as C++17 and adds no inline function that kernels and
// the runtime would share: kernels are compiled with other instrumentation.

#include <cstddef>

#include "../../cuda/params.h"

namespace emulation {

constexpr u32 kMaxThreads = 1024;
constexpr u32 kNumLanes = 32;
constexpr u32 kNumBarriers = 16;

struct Index3 {
  u32 x, y, z;
};

// A line of a kernel; the default arguments of collectives fill it in.
struct Location {
  const char* file;
  i32 line;
};

struct Cta;
struct Warp;

// A copy into shared memory that has been issued and not waited for.
struct PendingCopy {
  char* destination;
  const void* source;  // null: zeros
  u32 group;
  Location location;
};

struct Fiber {
  void* stack_pointer = nullptr;
  char* stack = nullptr;  // lowest usable address
  size_t stack_bytes = 0;
  void* asan_stack = nullptr;  // AddressSanitizer's handle while the fiber is not running
};

// What the built-ins blockIdx, blockDim and gridDim show.
struct Grid3 {
  Index3 block_index, block_dim, grid_dim;
};

struct Thread {
  Index3 index;  // threadIdx
  const Grid3* grid;
  u32 id;  // linear
  u32 lane;
  Cta* cta;
  Warp* warp;
  Fiber fiber;
  bool is_done;
  i32 barrier;             // that it waits at, or -1
  bool vote;               // the result of the last barrier
  const char* waiting_in;  // what it waits for, and where; for reports
  Location waiting_at;
  PendingCopy* copies;  // a queue: [first_copy, end_copy)
  u32 first_copy, end_copy, copy_capacity;
  u32 copy_group;  // number of groups committed
};

// The running thread of this OS thread; its own main flow between CTAs.
extern __thread Thread* current __attribute__((tls_model("initial-exec")));

// Of a static shared array: where it is declared. Its address is the array's identity.
struct SharedArray {
  const char* name;
  const char* file;
  i32 line;
};

struct Kernel {
  const char* name;
  void (*body)(const void* params);
  u32 params_bytes;
  u32 max_threads;
  const char* file;
};

struct Registration {
  explicit Registration(const Kernel& kernel);
};

void* shared_array(const SharedArray* array, size_t bytes);
void* dynamic_shared();

using WarpOperation = void (*)(Warp& warp, u32 mask);
// Waits until all lanes of `mask` have arrived with the same operation and line.
void collective(u32 mask, WarpOperation operation, void* arguments, const char* what,
                Location location);

void barrier(u32 id, u32 num_threads, Location location);  // num_threads 0: the whole CTA
bool barrier_or(bool condition, Location location);
void sync_lanes(u32 mask, Location location);

// Each lane's `value` (bytes: 4 or 8) becomes that of lane `source`, which must be in `mask`.
void shuffle_lanes(u32 mask, void* value, u32 bytes, u32 source, Location location);
u32 ballot_lanes(u32 mask, bool condition, Location location);

u32 shared_address_of(const void* shared, Location location);
void start_copy(u32 shared, const void* global, bool valid, Location location);
void commit_copies();
void wait_copies(u32 num_unfinished);
void load_matrices(u32* registers, u32 num_matrices, bool is_transposed, u32 shared,
                   Location location);
void multiply_bf16(f32* d, const u32* a, const u32* b, Location location);
void multiply_f16(f32* d, const u32* a, const u32* b, Location location);

// Prints the kernel, the CTA, the thread and the message, and ends the process with kFaultExitCode.
constexpr int kFaultExitCode = 98;
[[noreturn]] void fault(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace emulation
