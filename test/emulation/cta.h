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
  char* arena;  // shared memory; a shared address is the distance from here
  u32 id;       // linear
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

// Arguments of the operations below; one of them lies on each lane's stack.
struct Shuffle {
  void* value;  // becomes that of lane `source`, which must be in the mask
  u32 source;
  u64 before;
};
struct MatrixLoad {
  u32* registers;
  u32 shared;
};
struct Product {
  f32* d;
  const u32* a;
  const u32* b;
};
void shuffle_words(Warp& warp, u32 mask);
void shuffle_double_words(Warp& warp, u32 mask);
void count_votes(Warp& warp, u32 mask);  // of u32: 0 or 1, becomes the votes of all
void load_matrices_x4(Warp& warp, u32 mask);
void load_matrices_x4_trans(Warp& warp, u32 mask);
void load_matrices_x2(Warp& warp, u32 mask);
void load_matrices_x2_trans(Warp& warp, u32 mask);
void multiply_bf16(Warp& warp, u32 mask);
void multiply_f16(Warp& warp, u32 mask);

constexpr size_t kArenaBytes = 320 << 10;
void start_copy(u32 shared, const void* global, bool valid, Location location);
void commit_copies();
void wait_copies(u32 num_unfinished);
// Prints the kernel, the CTA, the thread and the message, and ends the process with kFaultExitCode.
constexpr int kFaultExitCode = 98;
[[noreturn]] void fault(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace emulation
