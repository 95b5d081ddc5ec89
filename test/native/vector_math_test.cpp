#include <algorithm>

#include "../../addon/cpu/cpu_features.h"
#include "../../addon/cpu/float_mode.h"
#include "check.h"
#include "values.h"

namespace {

std::vector<f32> exp_of(const cpu::Kernels& kernels, const std::vector<f32>& x) {
  const cpu::FloatModeScope float_mode;
  std::vector<f32> out(x.size());
  std::vector<double> sums(x.size() / cpu::kLogitsChunk + 1);
  kernels.exp_logits(x.data(), i32(x.size()), 0.0f, out.data(), sums.data());
  return out;
}

std::vector<f32> log_of(const cpu::Kernels& kernels, const std::vector<f32>& x) {
  const cpu::FloatModeScope float_mode;
  std::vector<f32> out;
  for (const f32 value : x) out.push_back(kernels.log(value));
  return out;
}

std::vector<f32> tanh_of(const cpu::Kernels& kernels, std::vector<f32> x) {
  const cpu::FloatModeScope float_mode;
  kernels.softcap({.x = x.data(), .operand = 1.0f, .num_rows = 1, .dim = i32(x.size())}, 0, 1);
  return x;
}

double ulps_between(f32 actual, double expected) {
  const f32 nearest = f32(expected);
  const double ulp =
      double(std::nextafter(std::abs(nearest), INFINITY)) - double(std::abs(nearest));
  return std::abs(double(actual) - expected) / ulp;
}

// Equal bits, any NaN equal to any other.
bool same_bits(const std::vector<f32>& a, const std::vector<f32>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](f32 x, f32 y) {
    return (std::isnan(x) && std::isnan(y)) || cpu::f32_bits(x) == cpu::f32_bits(y);
  });
}

// Floats of every sign and exponent, and their neighbours' mantissas at random.
std::vector<f32> any_floats(size_t count) {
  Random random(61);
  std::vector<f32> values;
  while (values.size() < count) values.push_back(cpu::f32_from_bits(u32(random.next())));
  return values;
}

}  // namespace

TEST("exp is within 1.5 ulp where its result is normal") {
  Random random(62);
  const std::vector<f32> x = random.uniforms(200000, 87.0f);
  const std::vector<f32> y = exp_of(*cpu::find_kernels("auto"), x);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i)
    worst = std::max(worst, ulps_between(y[i], std::exp(double(x[i]))));
  if (!(worst < 1.5))
    check::fail(__FILE__, __LINE__, check::text("worst error is ", worst, " ulp"));
}

TEST(
    "exp gives exactly +0 for -inf and everything below the normal range, inf above, NaN for NaN") {
  for (const std::string& isa : cpu::available_isas()) {
    const std::vector<f32> y = exp_of(
        *cpu::find_kernels(isa), {-INFINITY, -1e30f, -88.0f, 89.0f, INFINITY, NAN, 0.0f, -0.0f});
    for (size_t i = 0; i < 3; ++i) CHECK_EQUAL(cpu::f32_bits(y[i]), 0u);
    CHECK_EQUAL(y[3], INFINITY);
    CHECK_EQUAL(y[4], INFINITY);
    CHECK(std::isnan(y[5]));
    CHECK_EQUAL(y[6], 1.0f);
    CHECK_EQUAL(y[7], 1.0f);
  }
}

TEST("log is within 1.5 ulp for normal numbers and keeps NaN") {
  Random random(63);
  std::vector<f32> x;
  for (i32 i = 0; i < 100000; ++i) x.push_back(std::exp(random.uniform(80.0f)));
  for (i32 i = 0; i < 100000; ++i) x.push_back(1.0f + random.uniform(0.4f));
  const cpu::Kernels& kernels = *cpu::find_kernels("auto");
  const std::vector<f32> y = log_of(kernels, x);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i)
    worst = std::max(worst, ulps_between(y[i], std::log(double(x[i]))));
  if (!(worst < 1.5))
    check::fail(__FILE__, __LINE__, check::text("worst error is ", worst, " ulp"));
  CHECK(std::isnan(kernels.log(NAN)));
  CHECK_EQUAL(kernels.log(1.0f), 0.0f);
}

TEST("tanh is within 3 ulp, odd, and 1 at infinity") {
  Random random(64);
  std::vector<f32> x = random.uniforms(100000, 10.0f);
  for (i32 i = 0; i < 50000; ++i)
    x.push_back(random.uniform() * std::exp(random.uniform(20.0f) - 20.0f));
  const cpu::Kernels& kernels = *cpu::find_kernels("auto");
  const std::vector<f32> y = tanh_of(kernels, x);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i)
    worst = std::max(worst, ulps_between(y[i], std::tanh(double(x[i]))));
  if (!(worst < 3.0))
    check::fail(__FILE__, __LINE__, check::text("worst error is ", worst, " ulp"));
  const std::vector<f32> ends = tanh_of(kernels, {INFINITY, -INFINITY, NAN, -0.0f});
  CHECK_EQUAL(ends[0], 1.0f);
  CHECK_EQUAL(ends[1], -1.0f);
  CHECK(std::isnan(ends[2]));
}

TEST("exp, log and tanh have the same bits on every instruction set, for any float") {
  const std::vector<f32> x = any_floats(300000);
  std::vector<f32> normal;
  for (const f32 value : x) {
    if (std::isnormal(value)) normal.push_back(std::abs(value));
  }
  const cpu::Kernels& portable = *cpu::find_kernels("portable");
  for (const std::string& isa : cpu::available_isas()) {
    const check::Case description(isa);
    const cpu::Kernels& kernels = *cpu::find_kernels(isa);
    CHECK(same_bits(exp_of(kernels, x), exp_of(portable, x)));
    CHECK(same_bits(tanh_of(kernels, x), tanh_of(portable, x)));
    CHECK(same_bits(log_of(kernels, normal), log_of(portable, normal)));
  }
}
