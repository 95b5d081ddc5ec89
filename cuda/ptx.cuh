#pragma once
// Inline PTX: asynchronous copies into shared memory, matrix fragments, tensor-core products.
//
// test/emulation/ptx.cuh declares the same names for the CPU. ldmatrix and mma are collectives of
// all 32 lanes at one source line; they do not order memory between lanes.

#include <device.cuh>

namespace ptx {

// The 32-bit address that the functions below take for a place in shared memory.
DEVICE u32 shared_address(const void* shared) { return u32(__cvta_generic_to_shared(shared)); }

// Starts copying 16 bytes from global to shared memory, both 16-byte aligned; writes zeros and does
// not read `global` when it is not `valid`. Until the wait, the 16 bytes have no value.
DEVICE void cp_async16(u32 shared, const void* global, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(global),
               "r"(valid ? 16 : 0)
               : "memory");
}
// Closes the group of this thread's copies since the last commit; it may be empty.
DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most the N newest groups of this thread are unfinished. Other threads see the
// copies after a barrier that follows.
template <i32 N>
DEVICE void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

// Loads four 8x8 matrices of 2-byte elements: lane i gives the address of row i % 8 of matrix
// i / 8; of each matrix lane i receives row i / 4, elements 2 * (i % 4) and the next.
DEVICE void ldmatrix_x4(u32 (&r)[4], u32 shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared)
               : "memory");
}
// The same of transposed matrices: lane i receives rows 2 * (i % 4) and the next, element i / 4.
DEVICE void ldmatrix_x4_trans(u32 (&r)[4], u32 shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared)
               : "memory");
}
// Two matrices; the addresses of lanes 0 … 15 count.
DEVICE void ldmatrix_x2(u32 (&r)[2], u32 shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared)
               : "memory");
}
DEVICE void ldmatrix_x2_trans(u32 (&r)[2], u32 shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared)
               : "memory");
}

// d [16, 8] += a [16, 16] . b [16, 8] of T (bf16 or f16), accumulated in f32. With g = lane / 4 and
// t = 2 * (lane % 4), a word holding two elements of neighbouring k:
//   a  0: row g, k t   1: row g + 8, k t   2: row g, k t + 8   3: row g + 8, k t + 8
//   b  0: k t, column g   1: k t + 8, column g
//   d  0: row g, column t   1: row g, column t + 1   2, 3: the same of row g + 8
template <class T>
DEVICE void mma_m16n8k16(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]);
template <>
DEVICE void mma_m16n8k16<bf16>(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
template <>
DEVICE void mma_m16n8k16<f16>(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Asks for the cache line of global memory at `global`; no result depends on it.
DEVICE void prefetch_l2(const void* global) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(global));
}

}  // namespace ptx
