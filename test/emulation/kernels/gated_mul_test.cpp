#include "run_op.h"

namespace {

using emulation::DeviceArray;
using emulation::DeviceFloats;
using emulation::run_op;

enum class Activation { kSilu, kGelu };

double activate(Activation activation, double x) {
  if (activation == Activation::kSilu) return x / (1 + std::exp(-x));
  const double inner = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
  return x / 2 * (1 + std::tanh(inner));
}

std::string run_gated(Activation activation, const GatedMulParams& params) {
  return run_op(activation == Activation::kSilu ? cuda::silu_mul : cuda::gelu_mul, params);
}

void check_gated(Random& random, Activation activation, DType out_dtype, i32 num_rows, i32 dim) {
  const check::Case description(check::text(activation == Activation::kSilu ? "silu" : "gelu",
                                            " to ", dtype_name(out_dtype), ", ", num_rows, " x ",
                                            dim));
  const size_t columns = size_t(dim);
  const std::vector<f32> gate_up = random.uniforms(size_t(num_rows) * 2 * columns, 9.0f);
  const DeviceArray<f32> device_gate_up(gate_up);
  const DeviceFloats out(out_dtype, size_t(num_rows) * columns, NAN);
  const std::string kernel =
      run_gated(activation, {out.data(), device_gate_up.data(), num_rows, dim, out_dtype});
  std::vector<double> expected(out.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const size_t at = i / columns * 2 * columns + i % columns;
    expected[i] = activate(activation, double(gate_up[at])) * double(gate_up[at + columns]);
  }
  // 1 + tanh cancels far below zero, so that gelu's error is relative to its operands.
  const double rounding = out_dtype == kF32 ? 0 : 1.25 * unit_roundoff(out_dtype);
  CHECK_CLOSE(kernel, out.download(), expected,
              (emulation::Tolerance{9 * 9 * 4 * 0x1p-24, 32 * 0x1p-24 + rounding}));
}

}  // namespace

TEST("gated_mul: equals double loops for both activations") {
  Random random(emulation::run_seed() + 40);
  for (const Activation activation : {Activation::kSilu, Activation::kGelu}) {
    for (const DType out_dtype : {kF32, kF16, kBF16}) {
      for (const i32 dim : {1, 3, 4, 6, 7, 8, 31, 124, 128, 1024, 1028, 3001}) {
        check_gated(random, activation, out_dtype, 1 + random.below(4), dim);
      }
    }
  }
}

TEST("gated_mul: gates far from zero give the other operand or nothing, never NaN") {
  const std::vector<f32> gate_up = {-1000, -89, 89, 1000, 2, 2, 2, 2};
  const DeviceArray<f32> device_gate_up(gate_up);
  for (const Activation activation : {Activation::kSilu, Activation::kGelu}) {
    const DeviceArray<f32> out(4);
    run_gated(activation, {out.data(), device_gate_up.data(), 1, 4, kF32});
    const std::vector<f32> values = out.download();
    CHECK_EQUAL(std::abs(values[0]), 0.0f);
    CHECK(std::abs(values[1]) < 1e-30f);
    CHECK_EQUAL(values[2], 178.0f);
    CHECK_EQUAL(values[3], 2000.0f);
  }
}

TEST("gated_mul: NaN in either half reaches its element and no other") {
  Random random(emulation::run_seed() + 41);
  std::vector<f32> gate_up = random.uniforms(2 * 2 * 50);
  gate_up[7] = NAN;             // the gate of row 0, element 7
  gate_up[100 + 50 + 9] = NAN;  // the other half of row 1, element 9
  const DeviceArray<f32> device_gate_up(gate_up);
  for (const Activation activation : {Activation::kSilu, Activation::kGelu}) {
    const DeviceFloats out(kBF16, 100, 0.0f);
    run_gated(activation, {out.data(), device_gate_up.data(), 2, 50, kBF16});
    const std::vector<f32> values = out.download();
    for (size_t i = 0; i < values.size(); ++i) {
      CHECK_EQUAL(std::isnan(values[i]), i == 7 || i == 59);
    }
  }
}

TEST("gated_mul: offsets of rows pass 2^31 elements") {
  constexpr i32 kDim = 1 << 28;
  constexpr i32 kRows = 5;  // row 4 of gate_up starts at 2^31
  emulation::DeviceBytes gate_up(size_t(kRows) * 2 * kDim * 4), out(size_t(kRows) * kDim * 4);
  const std::vector<f32> gates = {100, 100, 100, 100}, ups = {1, 2, 3, 4};
  for (size_t row = 0; row < kRows; ++row) {
    gate_up.upload(gates.data(), 16, row * 2 * kDim * 4);
    gate_up.upload(ups.data(), 16, (row * 2 + 1) * kDim * 4);
  }
  emulation::EmulatedLauncher launcher;
  const GatedMulParams params = {out.data(), reinterpret_cast<const f32*>(gate_up.data()), kRows,
                                 kDim, kF32};
  // One piece of each row; and only its first group holds values.
  CHECK(launcher.launch("gated_mul_f32_silu", {.x = kRows, .y = 1, .threads = 1}, params).is_ok());
  const f32* const last = reinterpret_cast<const f32*>(out.data()) + size_t(4) * kDim;
  for (size_t i = 0; i < 4; ++i) CHECK_EQUAL(last[i], 100.0f * ups[i]);
}
