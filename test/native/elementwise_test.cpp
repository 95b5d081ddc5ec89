#include <algorithm>

#include "backends.h"
#include "check.h"
#include "values.h"

namespace {

const DType kOutDTypes[] = {kF32, kF16, kBF16};

void check_near(const FloatArray& out, const std::vector<double>& expected, double relative,
                double absolute = 2e-7) {
  CHECK_EQUAL(out.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const double limit = std::abs(expected[i]) * (relative + unit_roundoff(out.dtype())) + absolute;
    if (std::abs(double(out[i]) - expected[i]) <= limit) continue;
    check::fail(__FILE__, __LINE__,
                check::text("element ", i, " is ", out[i], "; expected ", expected[i]));
  }
}

// Runs on every backend; gives the (equal) bytes as an array.
template <class Run>
FloatArray run_everywhere(DType dtype, size_t count, Run&& run) {
  const std::vector<u8> bytes = same_on_all_backends([&](Backend& backend) {
    FloatArray out(dtype, std::vector<f32>(count, NAN));
    check_ok(run(backend, out));
    return out.bytes();
  });
  FloatArray out(dtype, count);
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

}  // namespace

TEST("rmsNorm equals double loops, with and without a residual, with the same bits everywhere") {
  Random random(51);
  for (const i32 hidden : {1, 15, 16, 64, 100, 1030}) {
    for (const bool with_residual : {false, true}) {
      const check::Case description(check::text("hidden ", hidden, ", residual ", with_residual));
      constexpr i32 kRows = 5;
      const size_t count = size_t(kRows) * size_t(hidden);
      const std::vector<f32> x = random.uniforms(count, 4.0f), residual = random.uniforms(count);
      const std::vector<f32> weight = random.uniforms(size_t(hidden));
      const DType dtype = kOutDTypes[random.below(3)];
      std::vector<f32> updated;
      const FloatArray out = run_everywhere(dtype, count, [&](Backend& backend, FloatArray& to) {
        updated = residual;
        return backend.rms_norm({.out = to.data(),
                                 .x = x.data(),
                                 .residual = with_residual ? updated.data() : nullptr,
                                 .weight = weight.data(),
                                 .eps = 1e-6f,
                                 .weight_offset = 1.0f,
                                 .num_rows = kRows,
                                 .hidden = hidden,
                                 .out_dtype = dtype});
      });
      std::vector<double> expected(count);
      for (size_t row = 0; row < kRows; ++row) {
        double squares = 0;
        const auto y_of = [&](size_t i) {
          return double(with_residual ? x[i] + residual[i] : x[i]);
        };
        for (size_t i = 0; i < size_t(hidden); ++i)
          squares += std::pow(y_of(row * size_t(hidden) + i), 2);
        const double rms = std::sqrt(squares / hidden + 1e-6);
        for (size_t i = 0; i < size_t(hidden); ++i) {
          const size_t at = row * size_t(hidden) + i;
          expected[at] = y_of(at) / rms * (1.0 + double(weight[i]));
          if (with_residual) CHECK_EQUAL(updated[at], x[at] + residual[at]);
        }
      }
      check_near(out, expected, 1e-5);
    }
  }
}

TEST("siluMul and geluMul equal double loops, with the same bits everywhere") {
  Random random(52);
  for (const i32 dim : {1, 16, 37, 5000}) {
    for (const bool is_silu : {true, false}) {
      constexpr i32 kRows = 4;
      const std::vector<f32> gate_up = random.uniforms(size_t(kRows * dim) * 2, 12.0f);
      const DType dtype = kOutDTypes[random.below(3)];
      const FloatArray out =
          run_everywhere(dtype, size_t(kRows * dim), [&](Backend& backend, FloatArray& to) {
            const GatedMulParams params = {to.data(), gate_up.data(), kRows, dim, dtype};
            return is_silu ? backend.silu_mul(params) : backend.gelu_mul(params);
          });
      std::vector<double> expected;
      for (i32 i = 0; i < kRows * dim; ++i) {
        const f32* at = gate_up.data() + i / dim * 2 * dim + i % dim;
        const double x = double(at[0]);
        const double inner = std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x);
        const double activated =
            is_silu ? x / (1.0 + std::exp(-x)) : 0.5 * x * (1.0 + std::tanh(inner));
        expected.push_back(activated * double(at[dim]));
      }
      // gelu's 1 + tanh cancels where x is very negative: half an ulp of 1 times two factors of 12.
      check_near(out, expected, 2e-6, is_silu ? 2e-7 : 2e-5);
    }
  }
}

TEST("scale and softcap work in place on any number of elements") {
  Random random(53);
  for (const i32 dim : {1, 33, 4001}) {
    const std::vector<f32> x = random.uniforms(size_t(dim) * 3, 80.0f);
    for (const bool is_scale : {true, false}) {
      const FloatArray out = run_everywhere(kF32, x.size(), [&](Backend& backend, FloatArray& to) {
        std::memcpy(to.data(), x.data(), x.size() * sizeof(f32));
        const ElementwiseParams params = {static_cast<f32*>(to.data()), 30.0f, 3, dim};
        return is_scale ? backend.scale(params) : backend.softcap(params);
      });
      std::vector<double> expected;
      for (const f32 value : x) {
        expected.push_back(is_scale ? 30.0 * double(value)
                                    : 30.0 * std::tanh(double(value) / 30.0));
      }
      check_near(out, expected, 5e-7);
    }
  }
}

TEST("embed gives table rows, and vectors where a vector row is named") {
  Random random(54);
  for (const DType dtype : kOutDTypes) {
    const i32 vocab_size = 75, hidden = 37, num_tokens = 9;
    const FloatArray table(dtype, random.uniforms(size_t(vocab_size * hidden)));
    const std::vector<f32> vectors = random.uniforms(size_t(2 * hidden));
    const std::vector<i32> ids = {0, 74, 31, 32, 64, 5, 5, 1, 2};
    const std::vector<i32> vector_rows = {-1, -1, -1, -1, -1, 1, 0, -1, -1};
    const FloatArray out =
        run_everywhere(kF32, size_t(num_tokens * hidden), [&](Backend& backend, FloatArray& to) {
          const TestWeight packed(backend, dtype, hidden, {{table.data(), vocab_size, dtype}});
          return backend.embed({.out = static_cast<f32*>(to.data()),
                                .table = packed.view(),
                                .ids = ids.data(),
                                .vectors = vectors.data(),
                                .vector_rows = vector_rows.data(),
                                .num_tokens = num_tokens});
        });
    for (i32 t = 0; t < num_tokens; ++t) {
      for (i32 d = 0; d < hidden; ++d) {
        const i32 vector = vector_rows[size_t(t)];
        CHECK_EQUAL(out[size_t(t * hidden + d)], vector >= 0
                                                     ? vectors[size_t(vector * hidden + d)]
                                                     : table[size_t(ids[size_t(t)] * hidden + d)]);
      }
    }
  }
}

TEST("gatherRows copies the named rows, in any order and repeatedly") {
  Random random(55);
  for (const DType dtype : kOutDTypes) {
    const FloatArray x(dtype, random.uniforms(7 * 21));
    const std::vector<i32> rows = {6, 0, 3, 3, 5};
    const FloatArray out = run_everywhere(dtype, 5 * 21, [&](Backend& backend, FloatArray& to) {
      return backend.gather_rows({.out = to.data(),
                                  .x = x.data(),
                                  .rows = rows.data(),
                                  .num_rows = 5,
                                  .num_source_rows = 7,
                                  .dim = 21,
                                  .dtype = dtype});
    });
    for (size_t i = 0; i < 5 * 21; ++i) {
      CHECK_EQUAL(out[i], x[size_t(rows[i / 21]) * 21 + i % 21]);
    }
  }
}

TEST("an op over no rows does nothing") {
  for (const OpenBackend& open : all_backends()) {
    check_ok(open.backend->rms_norm({}));
    check_ok(open.backend->matmul({}));
    check_ok(open.backend->silu_mul({}));
    check_ok(open.backend->gather_rows({}));
    check_ok(open.backend->scale({}));
    check_ok(open.backend->embed({}));
    check_ok(open.backend->sample({}));
    check_ok(open.backend->copy_blocks({}));
  }
}
