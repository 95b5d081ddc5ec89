#include <algorithm>

#include "backends.h"
#include "check.h"
#include "values.h"

namespace {

struct Shape {
  i32 num_rows, in_dim, out_dim;
};

std::vector<u8> multiply(Backend& backend, DType dtype, const FloatArray& x,
                         const FloatArray& weight, Shape shape) {
  const TestWeight packed(backend, dtype, shape.in_dim,
                          {{weight.data(), shape.out_dim, weight.dtype()}});
  FloatArray out(kF32, size_t(shape.num_rows) * size_t(shape.out_dim));
  check_ok(backend.matmul({.out = out.data(),
                           .x = x.data(),
                           .weight = packed.view(),
                           .bias = nullptr,
                           .num_rows = shape.num_rows,
                           .out_dtype = kF32}));
  return out.bytes();
}

}  // namespace

TEST("int8 and int4 products have the same bits on every instruction set and thread count") {
  Random random(21);
  const Shape shapes[] = {{1, 1, 1},     {2, 31, 31},    {3, 32, 32},    {5, 33, 65},
                          {6, 255, 100}, {13, 256, 130}, {1, 1030, 250}, {29, 514, 70}};
  for (const DType dtype : {kInt8, kInt4}) {
    for (const Shape shape : shapes) {
      const check::Case description(
          check::text(shape.num_rows, " rows, ", shape.in_dim, " to ", shape.out_dim));
      const DType sources[] = {kF32, kF16, kBF16};
      const FloatArray x(kF32, random.uniforms(size_t(shape.num_rows) * size_t(shape.in_dim)));
      const FloatArray weight(sources[random.below(3)],
                              random.uniforms(size_t(shape.out_dim) * size_t(shape.in_dim)));
      same_on_all_backends(
          [&](Backend& backend) { return multiply(backend, dtype, x, weight, shape); });
    }
  }
}

TEST("products of the largest integers have the same bits on every instruction set") {
  constexpr Shape kShape = {5, 96, 64};
  std::vector<f32> x(size_t(kShape.num_rows) * size_t(kShape.in_dim));
  std::vector<f32> weight(size_t(kShape.out_dim) * size_t(kShape.in_dim));
  // Rows of one sign, of the other, and of signs by turns: all of x is 127 or -127.
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t row = i / size_t(kShape.in_dim);
    x[i] = row == 0 || (row > 1 && i / row % 2 == 0) ? 1.0f : -1.0f;
  }
  // One -8 and 31 times 7, what 4 bits hold; in 8 bits -127 and 111, or 127 and -127.
  for (size_t i = 0; i < weight.size(); ++i) {
    const size_t output = i / size_t(kShape.in_dim);
    weight[i] =
        output % 2 == 0 ? (i % 32 == 0 ? -8.0f : 7.0f) : (i / output % 2 == 0 ? 1.0f : -1.0f);
    if (output % 4 == 3) weight[i] = 1.0f;
  }
  for (const DType dtype : {kInt8, kInt4}) {
    same_on_all_backends([&](Backend& backend) {
      return multiply(backend, dtype, FloatArray(kF32, x), FloatArray(kF32, weight), kShape);
    });
  }
}

TEST("int8 and int4 weights take 34 and 18 bytes per group of 32, without anything beside them") {
  Backend& backend = best_backend();
  CHECK_EQUAL(backend.packed_bytes(kInt8, 64, 96), size_t(64 * 3 * 34));
  CHECK_EQUAL(backend.packed_bytes(kInt4, 64, 96), size_t(64 * 3 * 18));
  CHECK_EQUAL(backend.packed_bytes(kInt4, 33, 97), size_t(64 * 4 * 18));
}
