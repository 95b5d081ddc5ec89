#pragma once
// The names of cuda/ptx.cuh for the CPU; see there for what they mean.

#include <device.cuh>

namespace ptx {

DEVICE u32 shared_address(const void* shared, EMULATION_HERE) {
  const char* const arena = emulation::current->arena;
  const size_t address = size_t(static_cast<const char*>(shared) - arena);
  if (address >= emulation::kArenaBytes) {
    emulation::fault("%s:%d: %p is not in shared memory", file_, line_, shared);
  }
  return u32(address);
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
  emulation::MatrixLoad load = {r, shared};
  emulation::collective(~0u, emulation::load_matrices_x4, &load, "ldmatrix", {file_, line_});
}
DEVICE void ldmatrix_x4_trans(u32 (&r)[4], u32 shared, EMULATION_HERE) {
  emulation::MatrixLoad load = {r, shared};
  emulation::collective(~0u, emulation::load_matrices_x4_trans, &load, "ldmatrix", {file_, line_});
}
DEVICE void ldmatrix_x2(u32 (&r)[2], u32 shared, EMULATION_HERE) {
  emulation::MatrixLoad load = {r, shared};
  emulation::collective(~0u, emulation::load_matrices_x2, &load, "ldmatrix", {file_, line_});
}
DEVICE void ldmatrix_x2_trans(u32 (&r)[2], u32 shared, EMULATION_HERE) {
  emulation::MatrixLoad load = {r, shared};
  emulation::collective(~0u, emulation::load_matrices_x2_trans, &load, "ldmatrix", {file_, line_});
}

template <class T>
DEVICE void mma_m16n8k16(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2], EMULATION_HERE);
template <>
DEVICE void mma_m16n8k16<bf16>(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2], const char* file_,
                               int line_) {
  emulation::Product product = {d, a, b};
  emulation::collective(~0u, emulation::multiply_bf16, &product, "mma", {file_, line_});
}
template <>
DEVICE void mma_m16n8k16<f16>(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2], const char* file_,
                              int line_) {
  emulation::Product product = {d, a, b};
  emulation::collective(~0u, emulation::multiply_f16, &product, "mma", {file_, line_});
}

DEVICE void prefetch_l2(const void* global) { static_cast<void>(global); }

}  // namespace ptx
