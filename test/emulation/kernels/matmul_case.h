#pragma once
// One matrix product for the tests of its kernels: inputs with poison around them, a reference in
// double, and launches that give the bits of the output.

#include <memory>

#include "../../../cuda/matmul_params.h"
#include "../compare.h"
#include "../device_array.h"
#include "../emulated_launcher.h"

namespace emulation {

struct MatmulShape {
  i32 num_rows, in_dim, out_dim;
};

class MatmulCase {
 public:
  MatmulCase(Random& random, MatmulShape shape, DType dtype, DType out_dtype, bool has_bias)
      : shape(shape),
        dtype(dtype),
        out_dtype(out_dtype),
        x(random.uniforms(size_t(shape.num_rows) * size_t(shape.in_dim))),
        weight(random.uniforms(size_t(shape.out_dim) * size_t(shape.in_dim))) {
    if (has_bias) bias = random.uniforms(size_t(shape.out_dim), 3.0f);
    round(x);
    round(weight);
  }

  std::string name() const {
    return check::text(dtype_name(dtype), " to ", dtype_name(out_dtype), ", ", shape.num_rows,
                       " rows, ", shape.in_dim, " to ", shape.out_dim,
                       bias.empty() ? "" : ", bias");
  }

  // Rows [first, first + count) as a case of their own.
  MatmulCase rows(i32 first, i32 count) const {
    MatmulCase some = *this;
    some.shape.num_rows = count;
    const auto begin = x.begin() + i64(first) * shape.in_dim;
    some.x.assign(begin, begin + i64(count) * shape.in_dim);
    return some;
  }

  // Runs `launch(params)` on arrays that fit exactly; gives the output, which no kernel may leave
  // unwritten (NaN) or write around (guards).
  template <class Launch>
  std::vector<f32> run(Launch&& launch) const {
    const size_t pitch = size_t(matmul_weight_pitch(shape.in_dim));
    std::vector<f32> packed(pitch * size_t(shape.out_dim), 0.0f);
    for (size_t i = 0; i < weight.size(); ++i) {
      packed[i / size_t(shape.in_dim) * pitch + i % size_t(shape.in_dim)] = weight[i];
    }
    const DeviceFloats device_x(dtype, x), device_weight(dtype, packed);
    const DeviceArray<f32> device_bias(bias);
    const DeviceFloats out(out_dtype, size_t(shape.num_rows) * size_t(shape.out_dim), NAN);
    const Status status = launch(MatmulParams{
        .out = out.data(),
        .x = device_x.data(),
        .weight = {device_weight.data(), shape.out_dim, shape.in_dim, dtype},
        .bias = bias.empty() ? nullptr : device_bias.data(),
        .num_rows = shape.num_rows,
        .out_dtype = out_dtype,
    });
    CHECK_EQUAL(status.message(), "");
    return out.download();
  }

  // Sums of single roundings: an error far below what a missing product makes.
  void check(const std::string& kernel, const std::vector<f32>& out) const {
    std::vector<double> expected(out.size());
    double largest = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      const f32* const row = &x[i / size_t(shape.out_dim) * size_t(shape.in_dim)];
      const f32* const column = &weight[i % size_t(shape.out_dim) * size_t(shape.in_dim)];
      expected[i] = bias.empty() ? 0.0 : double(bias[i % size_t(shape.out_dim)]);
      double magnitude = std::abs(expected[i]);
      for (i32 k = 0; k < shape.in_dim; ++k) {
        expected[i] += double(row[k]) * double(column[k]);
        magnitude += std::abs(double(row[k]) * double(column[k]));
      }
      largest = std::max(largest, magnitude);
    }
    const Tolerance tolerance = {16 * 0x1p-24 * largest + (out_dtype == kF16 ? 0x1p-24 : 0.0),
                                 1.25 * unit_roundoff(out_dtype)};
    CHECK_CLOSE(kernel, out, expected, tolerance);
  }

  MatmulShape shape;
  DType dtype;
  DType out_dtype;
  std::vector<f32> x;       // [num_rows, in_dim], as stored
  std::vector<f32> weight;  // [out_dim, in_dim], as stored
  std::vector<f32> bias;    // [out_dim], or empty

 private:
  void round(std::vector<f32>& values) const {
    const FloatArray stored(dtype, values);
    for (size_t i = 0; i < values.size(); ++i) values[i] = stored[i];
  }
};

// Whether two outputs have the same bits, NaN included; notes the first that differ.
inline bool has_same_bits(const std::vector<f32>& actual, const std::vector<f32>& expected) {
  if (actual.size() != expected.size()) return false;
  for (size_t i = 0; i < actual.size(); ++i) {
    if (std::memcmp(&actual[i], &expected[i], 4) == 0) continue;
    check::fail(__FILE__, __LINE__,
                check::text("element ", i, " is ", actual[i], "; expected ", expected[i]));
    return false;
  }
  return true;
}

}  // namespace emulation
