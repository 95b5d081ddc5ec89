// The emulated functions against their definitions, with exact results.

#include <bit>
#include <cmath>

#include "../device_array.h"
#include "../emulated_launcher.h"
#include "wrappers_params.h"

namespace {

using emulation::DeviceArray;
using emulation::DeviceFloats;

void run(const std::string& kernel, const WrappersParams& params, const cuda::Grid& grid) {
  emulation::EmulatedLauncher launcher;
  CHECK_EQUAL(launcher.launch(("wrappers_" + kernel).c_str(), grid, params).message(), "");
}

// Small integers: products and sums are exact.
std::vector<f32> integers(Random& random, size_t count) {
  std::vector<f32> values(count);
  for (f32& value : values) value = f32(random.below(17) - 8);
  return values;
}

void check_product(DType dtype, bool is_transposed) {
  const check::Case in(check::text(dtype_name(dtype), is_transposed ? " transposed" : ""));
  Random random(emulation::run_seed());
  const std::vector<f32> a = integers(random, 16 * 16);
  const std::vector<f32> b = integers(random, 16 * 8);
  const DeviceFloats device_a(dtype, a);
  const DeviceFloats device_b(dtype, b);
  const DeviceArray<f32> out(16 * 8);
  run(check::text("multiply_", is_transposed ? "transposed_" : "", dtype_name(dtype)),
      {out.data(), device_a.data(), device_b.data(), 0}, {.x = 1, .threads = 32});
  const std::vector<f32> actual = out.download();
  for (size_t row = 0; row < 16; ++row) {
    for (size_t column = 0; column < 8; ++column) {
      f32 sum = 0;
      for (size_t k = 0; k < 16; ++k) {
        sum += is_transposed ? a[k * 16 + row] * b[k * 8 + column]
                             : a[row * 16 + k] * b[column * 16 + k];
      }
      CHECK_EQUAL(actual[row * 8 + column], sum);
    }
  }
}

// Rounded by the CPU backend's own conversions.
void check_rounding(DType dtype, const std::vector<f32>& values) {
  const check::Case in(dtype_name(dtype));
  const DeviceArray<f32> from(values);
  const DeviceArray<u16> narrow(values.size());
  const DeviceArray<f32> wide(values.size());
  run(check::text("round_", dtype_name(dtype)),
      {narrow.data(), from.data(), wide.data(), i32(values.size())}, {.x = 1});
  const FloatArray expected(dtype, values);
  const std::vector<u16> bits = narrow.download();
  const std::vector<f32> widened = wide.download();
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) {
      CHECK(std::isnan(widened[i]));
      continue;
    }
    const u16 expected_bits = u16(expected.bytes()[2 * i] | expected.bytes()[2 * i + 1] << 8);
    CHECK_EQUAL(bits[i], expected_bits);
    CHECK_EQUAL(widened[i], expected[i]);
  }
}

}  // namespace

TEST("emulation: ldmatrix and mma give exact products of integers, plain and transposed") {
  for (const DType dtype : {kBF16, kF16}) {
    for (const bool is_transposed : {false, true}) check_product(dtype, is_transposed);
  }
}

TEST("emulation: shuffles and votes exchange what each lane gave") {
  const DeviceArray<u32> out(9 * 32);
  run("exchange", {out.data(), nullptr, nullptr, 0}, {.x = 1, .threads = 32});
  const std::vector<u32> got = out.download();
  for (u32 lane = 0; lane < 32; ++lane) {
    CHECK_EQUAL(got[lane], (lane + 3) % 32 * 10);
    CHECK_EQUAL(got[32 + lane], (lane ^ 5) * 10);
    CHECK_EQUAL(got[64 + lane], (lane < 4 ? lane : lane - 4) * 10);
    CHECK_EQUAL(got[96 + lane], (lane > 27 ? lane : lane + 4) * 10);
    CHECK_EQUAL(got[128 + lane], 7u);
    CHECK_EQUAL(std::bit_cast<f32>(got[160 + lane]), f32(lane == 31 ? 31 : lane + 1));
    CHECK_EQUAL(i32(got[192 + lane]), -i32(lane ^ 1));
    CHECK_EQUAL(got[224 + lane], 0x49249249u);
    CHECK_EQUAL(got[256 + lane], (lane ^ 8) + (lane < 16 ? 0x5555u : 0x55550000u));
  }
}

TEST("emulation: named barriers hand tiles from one half of a CTA to the other") {
  const DeviceArray<i32> out(4);
  run("hand_over", {out.data(), nullptr, nullptr, 5}, {.x = 1, .threads = 128});
  const std::vector<i32> expected = {5 * 63 * 32 + 64 * (0 + 1 + 2 + 3 + 4), 1, 0, 129};
  for (size_t i = 0; i < 4; ++i) CHECK_EQUAL(out.download()[i], expected[i]);
}

TEST("emulation: atomics of all CTAs are all counted") {
  const DeviceArray<u64> out(4, 0);
  run("count", {out.data(), nullptr, nullptr, 0}, {.x = 25, .threads = 128});
  const std::vector<u64> slots = out.download();
  u32 words[6];
  std::memcpy(words, &slots[1], sizeof words);
  CHECK_EQUAL(slots[0], u64(25 * 128 - 1) << 33);
  CHECK_EQUAL(words[0], 3200u);
  CHECK_EQUAL(words[1], 0u);  // 3,200 steps modulo 10
  CHECK_EQUAL(std::bit_cast<f32>(words[2]), 1600.0f);
  CHECK_EQUAL(i32(words[3]), -6400);
  CHECK_EQUAL(words[5], 1u);
}

TEST("emulation: conversions round to nearest, ties to even, in every range") {
  std::vector<f32> values = {0.0f,       -0.0f,     1.0f,   65504.0f,  65519.0f,  65520.0f,
                             INFINITY,   -INFINITY, NAN,    0x1p-14f,  0x1p-24f,  0x1p-25f,
                             0x1.8p-25f, 3.4e38f,   1e-40f, 0x1.01p0f, 0x1.03p0f, -0x1.002p0f};
  Random random(emulation::run_seed());
  for (int i = 0; i < 4000; ++i) {
    const f32 any = std::bit_cast<f32>(u32(random.next()));
    values.push_back(any);
    values.push_back(random.uniform(0x1p-13f));  // f16 subnormals
  }
  for (const DType dtype : {kBF16, kF16}) check_rounding(dtype, values);
}

TEST("emulation: a pipeline of asynchronous copies delivers every stage in time") {
  constexpr i32 kSteps = 7;
  std::vector<i32> numbers(kSteps * 512);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = i32(i);
  const DeviceArray<i32> from(numbers);
  const DeviceArray<i32> out(128);
  run("pipeline", {out.data(), from.data(), nullptr, kSteps},
      {.x = 1, .threads = 128, .shared_bytes = 3 * 128 * 16});
  for (const i32 num_wrong : out.download()) CHECK_EQUAL(num_wrong, 0);
}

TEST("emulation: launches that no GPU would take are refused") {
  emulation::EmulatedLauncher launcher;
  const WrappersParams params = {};
  CHECK_EQUAL(launcher.launch("nothing", {}, params).message(), "no kernel is named nothing");
  for (const cuda::Grid& grid :
       {cuda::Grid{.x = 0}, cuda::Grid{.x = 1, .threads = 256}, cuda::Grid{.x = 1, .threads = 0},
        cuda::Grid{.x = 1, .threads = 32, .shared_bytes = 100 << 10},
        cuda::Grid{.x = 1, .y = 70000, .threads = 32}}) {
    CHECK(!launcher.launch("wrappers_count", grid, params).is_ok());
  }
  CHECK(!launcher.launch("wrappers_count", {.x = 1, .threads = 32}, &params, 8).is_ok());
  CHECK_EQUAL(launcher.num_launches(), 0);
}

TEST("emulation: a pool past 2^32 bytes costs only the pages that are touched") {
  emulation::DeviceBytes pool(size_t(200) << 30);
  const f32 value = 3.5f;
  pool.upload(&value, sizeof value, (size_t(200) << 30) - sizeof value);
  CHECK(pool.has_intact_guards());
  CHECK(emulation::is_device_memory(pool.data() + (size_t(199) << 30), 1 << 20));
  CHECK(!emulation::is_device_memory(pool.data() + (size_t(200) << 30) - 4, 8));
}
