// Fibers: a stack each and a switch that saves the six registers a call preserves.

#include <sys/mman.h>

#include "cta_state.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
extern "C" void emulation_switch_stack(void** saved_stack_pointer, void* stack_pointer);
#endif

asm(R"(
.text
.globl emulation_switch_stack
.hidden emulation_switch_stack
.type emulation_switch_stack, @function
emulation_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emulation_switch_stack, .-emulation_switch_stack
)");

namespace emulation {
namespace {

constexpr size_t kGuardBytes = 4096;
// Stacks start at different cache sets: with equal offsets all threads' frames share eight lines.
constexpr u32 kNumStarts = 61;
constexpr size_t kStartBytes = 320;

}  // namespace

void create_fiber(Fiber* fiber, u32 id, void (*entry)()) {
  void* const mapped = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) fault("no memory for the stack of thread %u", id);
  mprotect(mapped, kGuardBytes, PROT_NONE);
  fiber->stack = static_cast<char*>(mapped) + kGuardBytes;
  fiber->stack_bytes = kStackBytes - kGuardBytes;
#if defined(__SANITIZE_ADDRESS__)
  // An earlier stack may have stood here, with frames that never returned.
  __asan_unpoison_memory_region(fiber->stack, fiber->stack_bytes);
#endif
  void** top =
      reinterpret_cast<void**>(fiber->stack + fiber->stack_bytes - id % kNumStarts * kStartBytes);
  *--top = nullptr;  // a call would leave the stack so aligned
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  fiber->stack_pointer = top;
}

void destroy_fiber(Fiber* fiber) {
  if (fiber->stack != nullptr) munmap(fiber->stack - kGuardBytes, kStackBytes);
  fiber->stack = nullptr;
}

#if defined(__SANITIZE_ADDRESS__)
namespace {
// The stack that the fiber switched to last came from: its bounds are learnt on the first switch.
void finish_switch(void* own) {
  const void* bottom = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(own, &bottom, &bytes);
  Fiber& main = current->cta->main.fiber;
  if (main.stack == nullptr) {
    main.stack = static_cast<char*>(const_cast<void*>(bottom));
    main.stack_bytes = bytes;
  }
}
}  // namespace

void switch_fiber(Fiber* from, Fiber* to) {
  __sanitizer_start_switch_fiber(&from->asan_stack, to->stack, to->stack_bytes);
  emulation_switch_stack(&from->stack_pointer, to->stack_pointer);
  finish_switch(from->asan_stack);
}
void begin_fiber() { finish_switch(nullptr); }
#endif

}  // namespace emulation
