#pragma once
// The names of cuda/ptx.cuh for the CPU; see there for what they mean.

#include <device.cuh>

namespace ptx {

DEVICE u32 shared_address(const void* shared, EMULATION_HERE) {
  return emulation::shared_address_of(shared, {file_, line_});
}

DEVICE void cp_async16(u32 shared, const void* global, bool valid, EMULATION_HERE) {
  emulation::start_copy(shared, global, valid, {file_, line_});
}
DEVICE void cp_async_commit() { emulation::commit_copies(); }
template <i32 N>
DEVICE void cp_async_wait() {
  emulation::wait_copies(N);
}

DEVICE void ldmatrix_x4(u32 (&r)[4], u32 shared, EMULATION_HERE) {
  emulation::load_matrices(r, 4, false, shared, {file_, line_});
}
DEVICE void ldmatrix_x4_trans(u32 (&r)[4], u32 shared, EMULATION_HERE) {
  emulation::load_matrices(r, 4, true, shared, {file_, line_});
}
DEVICE void ldmatrix_x2(u32 (&r)[2], u32 shared, EMULATION_HERE) {
  emulation::load_matrices(r, 2, false, shared, {file_, line_});
}
DEVICE void ldmatrix_x2_trans(u32 (&r)[2], u32 shared, EMULATION_HERE) {
  emulation::load_matrices(r, 2, true, shared, {file_, line_});
}

template <class T>
DEVICE void mma_m16n8k16(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2], EMULATION_HERE);
template <>
DEVICE void mma_m16n8k16<bf16>(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2], const char* file_,
                               int line_) {
  emulation::multiply_bf16(d, a, b, {file_, line_});
}
template <>
DEVICE void mma_m16n8k16<f16>(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2], const char* file_,
                              int line_) {
  emulation::multiply_f16(d, a, b, {file_, line_});
}

DEVICE void prefetch_l2(const void* global) { static_cast<void>(global); }

}  // namespace ptx
