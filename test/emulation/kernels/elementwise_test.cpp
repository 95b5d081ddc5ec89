#include "run_op.h"

namespace {

using emulation::DeviceArray;
using emulation::run_op;

void check_elementwise(Random& random, bool is_softcap, i32 num_rows, i32 dim, i64 shift = 0) {
  const check::Case description(
      check::text(is_softcap ? "softcap " : "scale ", num_rows, " x ", dim, ", shift ", shift));
  const std::vector<f32> x = random.uniforms(size_t(num_rows) * size_t(dim), 90.0f);
  const f32 operand = is_softcap ? 30.0f : 0.17f;
  std::vector<f32> shifted(size_t(shift), NAN);
  shifted.insert(shifted.end(), x.begin(), x.end());
  const DeviceArray<f32> device_x(shifted);
  const std::string kernel =
      run_op(is_softcap ? cuda::softcap : cuda::scale,
             ElementwiseParams{device_x.data() + shift, operand, num_rows, dim});
  std::vector<double> expected;
  for (const f32 value : x) {
    const double cap = double(operand);
    expected.push_back(is_softcap ? cap * std::tanh(double(value) / cap) : double(value * operand));
  }
  const std::vector<f32> written = device_x.download();
  const std::vector<f32> out(written.begin() + shift, written.end());
  CHECK_CLOSE(
      kernel, out, expected,
      is_softcap ? (emulation::Tolerance{1e-30, 8 * 0x1p-24}) : (emulation::Tolerance{0, 0}));
}

}  // namespace

TEST("elementwise: scale and softcap equal double loops at every length and alignment") {
  Random random(emulation::run_seed() + 60);
  for (const bool is_softcap : {false, true}) {
    for (const i32 dim : {1, 2, 3, 4, 5, 63, 64, 1023, 1025}) {
      check_elementwise(random, is_softcap, 1 + random.below(3), dim);
    }
    check_elementwise(random, is_softcap, 3, 100, 1);
    // More elements than the largest grid has threads: 4 SMs, 64 CTAs each, 4 elements a thread.
    check_elementwise(random, is_softcap, 70, 4001);
  }
}

TEST("elementwise: NaN stays NaN and infinities meet the cap") {
  const DeviceArray<f32> x(std::vector<f32>{NAN, INFINITY, -INFINITY, 0.0f, NAN});
  run_op(cuda::softcap, ElementwiseParams{x.data(), 20.0f, 1, 5});
  const std::vector<f32> out = x.download();
  CHECK(std::isnan(out[0]) && std::isnan(out[4]));
  CHECK_EQUAL(out[1], 20.0f);
  CHECK_EQUAL(out[2], -20.0f);
  CHECK_EQUAL(out[3], 0.0f);
}
