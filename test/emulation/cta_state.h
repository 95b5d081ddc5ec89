#pragma once
// What one CTA consists of while it runs; for the runtime's own files, kernels see cta.h.

#include <vector>

#include "cta.h"

namespace emulation {

// Lanes of one warp that wait for each other, found by their mask: some lanes may wait under the
// full mask while others still use a part of it.
struct Rendezvous {
  u32 mask;
  u32 arrived;
  WarpOperation operation;
  const char* what;
  Location location;
};

struct Warp {
  Thread* lanes[kNumLanes];
  void* arguments[kNumLanes];  // of the lanes that wait
  u32 present;                 // lanes that exist
  u32 alive;                   // … and have not exited
  u32 num_open;
  Rendezvous open[kNumLanes];
  u32 result;  // of a vote
};

struct Barrier {
  u32 num_arrived;
  u32 num_needed;  // 0: all that have not exited
  bool vote;
  Location location;
};

// A carved piece of shared memory.
struct SharedPiece {
  const SharedArray* array;  // null: the dynamic memory
  char* data;
  size_t bytes;
};

enum class Order : u8 { kAscending, kDescending, kRandom };

// The threads that can go on, a queue with two ends.
class ReadyQueue {
 public:
  void reset(Order order, u64 seed);
  void push_back(Thread* thread) { slots_[end_++ % kCapacity] = thread; }
  void push_front(Thread* thread) { slots_[--begin_ % kCapacity] = thread; }
  // Null when empty.
  Thread* pop() {
    if (begin_ == end_) return nullptr;
    if (order_ == Order::kRandom) move_random_to_front();
    return slots_[begin_++ % kCapacity];
  }
  Order order() const { return order_; }

 private:
  static constexpr u32 kCapacity = 2 * kMaxThreads;
  void move_random_to_front();

  Thread* slots_[kCapacity];
  u32 begin_ = 0;
  u32 end_ = 0;
  Order order_ = Order::kAscending;
  u64 state_ = 1;
};

struct Cta {
  Grid3 grid;
  u32 linear_index;
  const Kernel* kernel;
  const void* params;
  u32 num_threads;
  u32 num_alive;
  Thread main;  // the OS thread's own flow
  std::vector<Thread*> threads;
  std::vector<Warp> warps;
  Barrier barriers[kNumBarriers];
  ReadyQueue ready;
  char* arena;
  size_t arena_used;
  char* dynamic;
  std::vector<SharedPiece> pieces;

  Cta();
  ~Cta();
  Cta(const Cta&) = delete;
  Cta& operator=(const Cta&) = delete;
};

bool is_same(const Location& a, const Location& b);

constexpr size_t kArenaStart = 1024;  // shared addresses start here, so 0 is not one
constexpr size_t kRedzoneBytes = 128;
constexpr size_t kStackBytes = 256 << 10;

// Queues the lanes, to go on before the other warps, or the CTA's threads waiting at a barrier.
void wake_lanes(Warp& warp, u32 mask);
void complete_barrier_if_met(Cta& cta, u32 id);
// A thread left the kernel: what waits for it, or must not, is told.
void leave_warp(Thread& thread);

// Makes the fiber's stack; it starts in `entry` when it is first switched to.
void create_fiber(Fiber* fiber, u32 id, void (*entry)());
void destroy_fiber(Fiber* fiber);
#if defined(__SANITIZE_ADDRESS__)
void switch_fiber(Fiber* from, Fiber* to);
// First thing on a new fiber.
void begin_fiber();
#else
extern "C" void emulation_switch_stack(void** saved_stack_pointer, void* stack_pointer);
inline void switch_fiber(Fiber* from, Fiber* to) {
  emulation_switch_stack(&from->stack_pointer, to->stack_pointer);
}
inline void begin_fiber() {}
#endif

// Shared memory of a new CTA: poison, with `dynamic_bytes` carved.
void reset_shared_memory(Cta& cta, size_t dynamic_bytes);
void release_shared_memory(Cta& cta);
// Bytes of shared memory as the GPU would count them.
size_t static_shared_bytes(const Cta& cta);
// Faults where a redzone was written.
void check_redzones(const Cta& cta);

void discard_copies(Thread& thread);

// Runs one CTA to its end on this OS thread.
void run_cta(Cta& cta);

// Lets another thread run; returns when this one is picked again. Inline: every call between a
// kernel and the switch is a return that the processor predicts wrongly.
inline __attribute__((always_inline)) void yield() {
  Thread* const self = current;
  Cta& cta = *self->cta;
  Thread* next = cta.ready.pop();
  if (next == nullptr) next = &cta.main;
  if (next == self) return;
  current = next;
  switch_fiber(&self->fiber, &next->fiber);
}

}  // namespace emulation
