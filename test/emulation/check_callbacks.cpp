// What code compiled with -fsanitize=thread calls at each access. libtsan is not linked: these
// functions stand in for it.

#include "check_memory.h"

namespace {

using emulation::check::aligned_access;
using emulation::check::kernel_access;
using emulation::check::kernel_atomic;

constexpr int kOrder = __ATOMIC_SEQ_CST;

}  // namespace

#define CALLER (reinterpret_cast<size_t>(__builtin_return_address(0)))

// The compiler calls the first two where the type promises alignment.
#define ACCESSES(bytes)                                                                  \
  void __tsan_read##bytes(void* p) { aligned_access(p, bytes, false, CALLER); }          \
  void __tsan_write##bytes(void* p) { aligned_access(p, bytes, true, CALLER); }          \
  void __tsan_unaligned_read##bytes(void* p) { kernel_access(p, bytes, false, CALLER); } \
  void __tsan_unaligned_write##bytes(void* p) { kernel_access(p, bytes, true, CALLER); }

#define ATOMICS(bits, T)                                                                    \
  T __tsan_atomic##bits##_load(const T* p, int) {                                           \
    kernel_atomic(p, sizeof(T), false, CALLER);                                             \
    return __atomic_load_n(p, kOrder);                                                      \
  }                                                                                         \
  void __tsan_atomic##bits##_store(T* p, T value, int) {                                    \
    kernel_atomic(p, sizeof(T), true, CALLER);                                              \
    __atomic_store_n(p, value, kOrder);                                                     \
  }                                                                                         \
  T __tsan_atomic##bits##_exchange(T* p, T value, int) {                                    \
    kernel_atomic(p, sizeof(T), true, CALLER);                                              \
    return __atomic_exchange_n(p, value, kOrder);                                           \
  }                                                                                         \
  T __tsan_atomic##bits##_fetch_add(T* p, T value, int) {                                   \
    kernel_atomic(p, sizeof(T), true, CALLER);                                              \
    return __atomic_fetch_add(p, value, kOrder);                                            \
  }                                                                                         \
  T __tsan_atomic##bits##_compare_exchange_val(T* p, T expected, T value, int, int) {       \
    kernel_atomic(p, sizeof(T), true, CALLER);                                              \
    __atomic_compare_exchange_n(p, &expected, value, false, kOrder, kOrder);                \
    return expected;                                                                        \
  }                                                                                         \
  int __tsan_atomic##bits##_compare_exchange_strong(T* p, T* expected, T value, int, int) { \
    kernel_atomic(p, sizeof(T), true, CALLER);                                              \
    return __atomic_compare_exchange_n(p, expected, value, false, kOrder, kOrder);          \
  }                                                                                         \
  int __tsan_atomic##bits##_compare_exchange_weak(T* p, T* expected, T value, int, int) {   \
    kernel_atomic(p, sizeof(T), true, CALLER);                                              \
    return __atomic_compare_exchange_n(p, expected, value, false, kOrder, kOrder);          \
  }

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
void __tsan_read_range(void* p, size_t bytes) { kernel_access(p, bytes, false, CALLER); }
void __tsan_write_range(void* p, size_t bytes) { kernel_access(p, bytes, true, CALLER); }
ATOMICS(8, u8)
ATOMICS(16, u16)
ATOMICS(32, u32)
ATOMICS(64, u64)
void __tsan_atomic_thread_fence(int) { emulation::check::kernel_fence(); }
}
