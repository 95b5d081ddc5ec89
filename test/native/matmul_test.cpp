#include <algorithm>

#include "backends.h"
#include "check.h"
#include "values.h"

namespace {

struct Shape {
  i32 num_rows, in_dim, out_dim;
};

const DType kWeightDTypes[] = {kF32, kF16, kBF16};

std::vector<u8> multiply(Backend& backend, const FloatArray& x, const FloatArray& weight,
                         const std::vector<f32>& bias, Shape shape, DType out_dtype) {
  const TestWeight packed(backend, weight.dtype(), shape.in_dim,
                          {{weight.data(), shape.out_dim, weight.dtype()}});
  FloatArray out(out_dtype, size_t(shape.num_rows) * size_t(shape.out_dim));
  check_ok(backend.matmul({.out = out.data(),
                           .x = x.data(),
                           .weight = packed.view(),
                           .bias = bias.empty() ? nullptr : bias.data(),
                           .num_rows = shape.num_rows,
                           .out_dtype = out_dtype}));
  return out.bytes();
}

FloatArray array_of(DType dtype, const std::vector<u8>& bytes) {
  FloatArray array(dtype, bytes.size() / elem_bytes(dtype));
  if (!bytes.empty()) std::memcpy(array.data(), bytes.data(), bytes.size());
  return array;
}

void check_against_doubles(const FloatArray& out, const FloatArray& x, const FloatArray& weight,
                           const std::vector<f32>& bias, Shape shape) {
  for (i32 r = 0; r < shape.num_rows; ++r) {
    for (i32 n = 0; n < shape.out_dim; ++n) {
      double sum = bias.empty() ? 0.0 : double(bias[size_t(n)]);
      double magnitude = std::abs(sum);
      for (i32 k = 0; k < shape.in_dim; ++k) {
        const double product = double(x[size_t(r) * size_t(shape.in_dim) + size_t(k)]) *
                               double(weight[size_t(n) * size_t(shape.in_dim) + size_t(k)]);
        sum += product;
        magnitude += std::abs(product);
      }
      const double actual = double(out[size_t(r) * size_t(shape.out_dim) + size_t(n)]);
      const double limit =
          magnitude * shape.in_dim * 0x1p-23 + std::abs(sum) * unit_roundoff(out.dtype()) + 1e-30;
      if (std::abs(actual - sum) <= limit) continue;
      check::fail(__FILE__, __LINE__,
                  check::text("row ", r, " output ", n, " is ", actual, "; expected ", sum));
    }
  }
}

void check_shape(Random& random, Shape shape, DType dtype, DType out_dtype, bool with_bias) {
  const check::Case description(check::text(dtype_name(dtype), " to ", dtype_name(out_dtype), ", ",
                                            shape.num_rows, " rows, ", shape.in_dim, " to ",
                                            shape.out_dim));
  const FloatArray x(dtype, random.uniforms(size_t(shape.num_rows) * size_t(shape.in_dim)));
  const FloatArray weight(dtype, random.uniforms(size_t(shape.out_dim) * size_t(shape.in_dim)));
  std::vector<f32> bias;
  if (with_bias) bias = random.uniforms(size_t(shape.out_dim), 3.0f);
  const std::vector<u8> bits = same_on_all_backends(
      [&](Backend& backend) { return multiply(backend, x, weight, bias, shape, out_dtype); });
  check_against_doubles(array_of(out_dtype, bits), x, weight, bias, shape);
}

}  // namespace

TEST("matmul equals double loops, with the same bits on every instruction set and thread count") {
  Random random(11);
  const Shape shapes[] = {{1, 1, 1},      {1, 2, 16},    {2, 7, 31},     {5, 64, 32},
                          {12, 255, 33},  {13, 256, 65}, {25, 257, 100}, {1, 600, 250},
                          {40, 514, 130}, {3, 1030, 40}, {14, 9001, 33}};
  for (const DType dtype : kWeightDTypes) {
    for (const Shape shape : shapes) {
      const DType out_dtype = kWeightDTypes[random.below(3)];
      check_shape(random, shape, dtype, out_dtype, random.below(2) == 0);
    }
  }
}

TEST("a matmul row has the same bits alone and among any number of rows") {
  Random random(12);
  for (const DType dtype : kWeightDTypes) {
    const Shape shape = {37, 530, 70};
    const FloatArray x(dtype, random.uniforms(size_t(shape.num_rows) * size_t(shape.in_dim)));
    const FloatArray weight(dtype, random.uniforms(size_t(shape.out_dim) * size_t(shape.in_dim)));
    for (const OpenBackend& open : all_backends()) {
      const check::Case description(check::text(dtype_name(dtype), ", ", open.label));
      const std::vector<u8> together = multiply(*open.backend, x, weight, {}, shape, kF32);
      const size_t row_bytes = size_t(shape.out_dim) * 4;
      for (const i32 num_rows : {1, 2, 6, 12, 23}) {
        const i32 first = random.below(shape.num_rows - num_rows + 1);
        FloatArray part(dtype, size_t(num_rows) * size_t(shape.in_dim));
        const size_t x_row = size_t(shape.in_dim) * elem_bytes(dtype);
        std::memcpy(part.data(), static_cast<const u8*>(x.data()) + size_t(first) * x_row,
                    size_t(num_rows) * x_row);
        const std::vector<u8> alone = multiply(*open.backend, part, weight, {},
                                               {num_rows, shape.in_dim, shape.out_dim}, kF32);
        CHECK(std::equal(alone.begin(), alone.end(),
                         together.begin() + long(size_t(first) * row_bytes)));
      }
    }
  }
}

TEST("matmul flushes denormals and rounds at the edge of the range alike everywhere") {
  Random random(13);
  for (const DType dtype : kWeightDTypes) {
    const Shape shape = {9, 96, 64};
    std::vector<f32> x = random.uniforms(size_t(shape.num_rows) * size_t(shape.in_dim));
    std::vector<f32> weight = random.uniforms(size_t(shape.out_dim) * size_t(shape.in_dim));
    const bool is_f16 = dtype == kF16;
    for (f32& value : x)
      value = std::ldexp(value, is_f16 ? -random.below(26) : -50 - random.below(40));
    for (f32& value : weight) {
      value = std::ldexp(value, is_f16 ? -random.below(26) : -40 - random.below(60));
    }
    const FloatArray stored_x(dtype, x);
    const FloatArray stored_weight(dtype, weight);
    same_on_all_backends([&](Backend& backend) {
      return multiply(backend, stored_x, stored_weight, {}, shape, kF32);
    });
  }
}

TEST("matmul carries infinities and NaN to the outputs they belong to and no others") {
  for (const DType dtype : kWeightDTypes) {
    const Shape shape = {3, 40, 40};
    FloatArray x(dtype, std::vector<f32>(120, 1.0f));
    FloatArray weight(dtype, std::vector<f32>(1600, 0.5f));
    weight.set(7 * 40 + 3, INFINITY);
    weight.set(9 * 40 + 5, NAN);
    x.set(1 * 40 + 39, NAN);
    for (const OpenBackend& open : all_backends()) {
      const FloatArray out = array_of(kF32, multiply(*open.backend, x, weight, {}, shape, kF32));
      for (size_t i = 0; i < out.size(); ++i) {
        const size_t row = i / 40, output = i % 40;
        if (row == 1 || output == 9) {
          CHECK(std::isnan(out[i]));
        } else {
          CHECK_EQUAL(out[i], output == 7 ? INFINITY : 20.0f);
        }
      }
    }
  }
}

TEST("stacked parts of any dtype pack like one weight that was rounded before") {
  Random random(14);
  const i32 in_dim = 47;
  for (const DType dtype : kWeightDTypes) {
    std::vector<f32> all = random.uniforms(size_t(in_dim) * 75);
    std::vector<FloatArray> stored;
    std::vector<WeightPart> parts;
    std::vector<f32> rounded;
    i32 row = 0;
    for (const auto& [source, rows] : {std::pair<DType, i32>{kF32, 5}, {kF16, 33}, {kBF16, 37}}) {
      const std::vector<f32> values(all.begin() + row * in_dim,
                                    all.begin() + (row + rows) * in_dim);
      stored.emplace_back(source, values);
      for (size_t i = 0; i < values.size(); ++i) rounded.push_back(stored.back()[i]);
      row += rows;
    }
    parts = {
        {stored[0].data(), 5, kF32}, {stored[1].data(), 33, kF16}, {stored[2].data(), 37, kBF16}};
    const FloatArray whole(dtype, rounded);
    Backend& backend = best_backend();
    const TestWeight stacked(backend, dtype, in_dim, parts);
    const TestWeight expected(backend, dtype, in_dim, {{whole.data(), 75, dtype}});
    const size_t bytes = backend.packed_bytes(dtype, 75, in_dim);
    CHECK(std::memcmp(stacked.view().data, expected.view().data, bytes) == 0);
  }
}
