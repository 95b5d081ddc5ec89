// ldmatrix and mma.sync for a whole warp. Fragments are decoded to f32 arrays once per warp; the
// product's loops are vectors of eight columns.

#include <cstring>

#include "cta_state.h"
#include "hooks.h"

namespace emulation {
namespace {

const char* row_of(const Warp& warp, u32 lane) {
  const u32 shared = static_cast<const MatrixLoad*>(warp.arguments[lane])->shared;
  const Cta& cta = *current->cta;
  if (shared % 16 != 0 || shared < kArenaStart || shared + 16 > cta.arena_used) {
    fault("%s:%d: ldmatrix of lane %u from %#x: misaligned or outside shared memory",
          current->waiting_at.file, current->waiting_at.line, lane, shared);
  }
  return cta.arena + shared;
}

template <u32 kNumMatrices>
void run_load(Warp& warp) {
  for (u32 matrix = 0; matrix < kNumMatrices; ++matrix) {
    for (u32 row = 0; row < 8; ++row) {
      const char* const data = row_of(warp, matrix * 8 + row);
      for (u32 i = 0; i < 4; ++i) {
        MatrixLoad& lane = *static_cast<MatrixLoad*>(warp.arguments[row * 4 + i]);
        std::memcpy(&lane.registers[matrix], data + i * 4, 4);
        hooks::access(data + i * 4, 4, hooks::Access::kRead, *warp.lanes[row * 4 + i],
                      current->waiting_at);
      }
    }
  }
}

template <u32 kNumMatrices>
void run_transposed_load(Warp& warp) {
  for (u32 matrix = 0; matrix < kNumMatrices; ++matrix) {
    u16 elements[8][8];
    for (u32 row = 0; row < 8; ++row) {
      const char* const data = row_of(warp, matrix * 8 + row);
      std::memcpy(elements[row], data, 16);
      for (u32 column = 0; column < 8; ++column) {
        hooks::access(data + column * 2, 2, hooks::Access::kRead, *warp.lanes[column * 4 + row / 2],
                      current->waiting_at);
      }
    }
    for (u32 lane = 0; lane < kNumLanes; ++lane) {
      const u32 row = lane % 4 * 2;
      static_cast<MatrixLoad*>(warp.arguments[lane])->registers[matrix] =
          elements[row][lane / 4] | u32(elements[row + 1][lane / 4]) << 16;
    }
  }
}

typedef f32 Columns __attribute__((vector_size(32)));

struct Fragments {
  alignas(32) u16 a[16][16];
  alignas(32) u16 b[16][8];
  alignas(32) f32 wide_a[16][16];
  alignas(32) f32 wide_b[16][8];
  alignas(32) f32 d[16][8];
};

void gather(const Warp& warp, Fragments* tile) {
  for (u32 lane = 0; lane < kNumLanes; ++lane) {
    const Product& product = *static_cast<const Product*>(warp.arguments[lane]);
    const u32 g = lane / 4;
    const u32 t = lane % 4 * 2;
    std::memcpy(&tile->a[g][t], &product.a[0], 4);
    std::memcpy(&tile->a[g + 8][t], &product.a[1], 4);
    std::memcpy(&tile->a[g][t + 8], &product.a[2], 4);
    std::memcpy(&tile->a[g + 8][t + 8], &product.a[3], 4);
    for (u32 i = 0; i < 2; ++i) {
      tile->b[t + 8 * i][g] = u16(product.b[i]);
      tile->b[t + 8 * i + 1][g] = u16(product.b[i] >> 16);
    }
    std::memcpy(&tile->d[g][t], &product.d[0], 8);
    std::memcpy(&tile->d[g + 8][t], &product.d[2], 8);
  }
}

void scatter(const Fragments& tile, Warp& warp) {
  for (u32 lane = 0; lane < kNumLanes; ++lane) {
    const Product& product = *static_cast<const Product*>(warp.arguments[lane]);
    const u32 g = lane / 4;
    const u32 t = lane % 4 * 2;
    std::memcpy(&product.d[0], &tile.d[g][t], 8);
    std::memcpy(&product.d[2], &tile.d[g + 8][t], 8);
  }
}

struct Bf16 {
  static f32 widen(u16 bits) { return __builtin_bit_cast(f32, u32(bits) << 16); }
};
struct F16 {
  static f32 widen(u16 bits) {
    const u32 magnitude = u32(bits & 0x7fff) << 13;
    const f32 scaled = __builtin_bit_cast(f32, magnitude) * 0x1p112f;
    const u32 infinite = magnitude >= 0x0f800000u ? 0x7f800000u : 0;
    return __builtin_bit_cast(
        f32, u32(bits & 0x8000) << 16 | infinite | __builtin_bit_cast(u32, scaled));
  }
};

// Products are exact in f32; each element sums them with k ascending.
template <class T>
void run_product(Warp& warp) {
  Fragments tile;
  gather(warp, &tile);
  for (u32 i = 0; i < 16 * 16; ++i) (&tile.wide_a[0][0])[i] = T::widen((&tile.a[0][0])[i]);
  for (u32 i = 0; i < 16 * 8; ++i) (&tile.wide_b[0][0])[i] = T::widen((&tile.b[0][0])[i]);
  for (u32 row = 0; row < 16; row += 4) {
    Columns sums[4];
    std::memcpy(sums, tile.d[row], sizeof sums);
    for (u32 k = 0; k < 16; ++k) {
      Columns column;
      std::memcpy(&column, tile.wide_b[k], sizeof column);
      for (u32 i = 0; i < 4; ++i) sums[i] += tile.wide_a[row + i][k] * column;
    }
    std::memcpy(tile.d[row], sums, sizeof sums);
  }
  scatter(tile, warp);
}

}  // namespace

void load_matrices_x4(Warp& warp, u32) { run_load<4>(warp); }
void load_matrices_x4_trans(Warp& warp, u32) { run_transposed_load<4>(warp); }
void load_matrices_x2(Warp& warp, u32) { run_load<2>(warp); }
void load_matrices_x2_trans(Warp& warp, u32) { run_transposed_load<2>(warp); }
void multiply_bf16(Warp& warp, u32) { run_product<Bf16>(warp); }
void multiply_f16(Warp& warp, u32) { run_product<F16>(warp); }

}  // namespace emulation
