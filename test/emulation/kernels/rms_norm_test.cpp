#include "run_op.h"

namespace {

using emulation::DeviceArray;
using emulation::DeviceFloats;
using emulation::run_op;

struct NormCase {
  i32 num_rows, hidden;
  DType out_dtype;
  bool has_residual;
  f32 weight_offset;
};

struct NormResult {
  std::string kernel;
  std::vector<f32> out, residual;
};

NormResult run_norm(const NormCase& c, const std::vector<f32>& x, const std::vector<f32>& residual,
                    const std::vector<f32>& weight) {
  const DeviceArray<f32> device_x(x), device_residual(residual), device_weight(weight);
  const DeviceFloats out(c.out_dtype, x.size(), NAN);
  const std::string kernel = run_op(
      cuda::rms_norm, RmsNormParams{.out = out.data(),
                                    .x = device_x.data(),
                                    .residual = c.has_residual ? device_residual.data() : nullptr,
                                    .weight = device_weight.data(),
                                    .eps = 1e-6f,
                                    .weight_offset = c.weight_offset,
                                    .num_rows = c.num_rows,
                                    .hidden = c.hidden,
                                    .out_dtype = c.out_dtype});
  return {kernel, out.download(), device_residual.download()};
}

void check_norm(Random& random, const NormCase& c) {
  const check::Case description(check::text("to ", dtype_name(c.out_dtype), ", ", c.num_rows, " x ",
                                            c.hidden, c.has_residual ? ", residual" : ""));
  const size_t hidden = size_t(c.hidden);
  const std::vector<f32> x = random.uniforms(size_t(c.num_rows) * hidden, 4.0f);
  const std::vector<f32> residual = random.uniforms(x.size()), weight = random.uniforms(hidden);
  const NormResult result = run_norm(c, x, residual, weight);

  std::vector<double> sums(x.size()), expected(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    sums[i] = double(c.has_residual ? x[i] + residual[i] : x[i]);
  }
  for (size_t row = 0; row < size_t(c.num_rows); ++row) {
    double squares = 0;
    for (size_t i = 0; i < hidden; ++i) squares += sums[row * hidden + i] * sums[row * hidden + i];
    const double rms = std::sqrt(squares / double(c.hidden) + double(1e-6f));
    for (size_t i = 0; i < hidden; ++i) {
      expected[row * hidden + i] =
          sums[row * hidden + i] / rms * (double(c.weight_offset) + double(weight[i]));
    }
  }
  const double rounding = c.out_dtype == kF32 ? 0 : 1.25 * unit_roundoff(c.out_dtype);
  CHECK_CLOSE(result.kernel, result.out, expected,
              (emulation::Tolerance{0x1p-24, 12 * 0x1p-24 + rounding}));
  if (!c.has_residual) sums.assign(residual.begin(), residual.end());
  CHECK_CLOSE(result.kernel, result.residual, sums, (emulation::Tolerance{0, 0}));
}

}  // namespace

TEST("rms_norm: equals double loops, and updates the residual in place") {
  Random random(emulation::run_seed() + 30);
  // One element, broken groups, one warp and several, the end of what registers keep, and past it.
  for (const i32 hidden :
       {1, 3, 4, 5, 64, 127, 128, 129, 2048, 2052, 4096, 8191, 8192, 8196, 9001}) {
    for (const bool has_residual : {false, true}) {
      const DType out_dtypes[] = {kF32, kF16, kBF16};
      check_norm(random, {1 + random.below(3), hidden, out_dtypes[random.below(3)], has_residual,
                          random.below(2) == 0 ? 1.0f : 0.0f});
    }
  }
}

TEST("rms_norm: a row has the same bits alone, among others, and where it starts unaligned") {
  Random random(emulation::run_seed() + 31);
  for (const i32 hidden : {64, 1030, 2048, 9000}) {
    const check::Case description(check::text("hidden ", hidden));
    const size_t dim = size_t(hidden);
    const std::vector<f32> x = random.uniforms(dim * 5), weight = random.uniforms(dim);
    const NormCase c = {5, hidden, kF32, false, 0.0f};
    const std::vector<f32> all = run_norm(c, x, {}, weight).out;
    const std::vector<f32> row(x.begin() + i64(dim) * 3, x.begin() + i64(dim) * 4);
    NormCase one = c;
    one.num_rows = 1;
    const std::vector<f32> expected(all.begin() + i64(dim) * 3, all.begin() + i64(dim) * 4);
    CHECK(run_norm(one, row, {}, weight).out == expected);

    std::vector<f32> shifted(dim + 1, NAN);  // x starts 4 bytes into its array
    std::copy(row.begin(), row.end(), shifted.begin() + 1);
    const DeviceArray<f32> device_x(shifted), device_weight(weight), out(dim);
    run_op(cuda::rms_norm, RmsNormParams{.out = out.data(),
                                         .x = device_x.data() + 1,
                                         .residual = nullptr,
                                         .weight = device_weight.data(),
                                         .eps = 1e-6f,
                                         .weight_offset = 0.0f,
                                         .num_rows = 1,
                                         .hidden = hidden,
                                         .out_dtype = kF32});
    CHECK(out.download() == expected);
  }
}

TEST("rms_norm: NaN and infinity fill their row and no other") {
  for (const f32 bad : {f32(NAN), f32(INFINITY)}) {
    Random random(emulation::run_seed() + 32);
    const size_t hidden = 300;
    std::vector<f32> x = random.uniforms(hidden * 3);
    x[hidden + 299] = bad;
    const std::vector<f32> weight(hidden, 1.0f);
    const std::vector<f32> out = run_norm({3, 300, kBF16, false, 0.0f}, x, {}, weight).out;
    CHECK(std::isnan(out[hidden + 299]));
    for (size_t i = 0; i < hidden; ++i) {
      CHECK(std::isfinite(out[i]) && std::isfinite(out[2 * hidden + i]));
      CHECK(!std::isnan(bad) || std::isnan(out[hidden + i]));
    }
  }
}

TEST("rms_norm: a row of zeros gives zeros, thanks to eps") {
  const std::vector<f32> zeros(40, 0.0f), weight(40, 1.0f);
  for (const f32 out : run_norm({1, 40, kF32, false, 0.0f}, zeros, {}, weight).out) {
    CHECK_EQUAL(out, 0.0f);
  }
}
