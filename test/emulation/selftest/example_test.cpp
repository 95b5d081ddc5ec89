// The pattern of a kernel test: poisoned inputs and outputs, a double reference, both dtypes.

#include "../compare.h"
#include "../device_array.h"
#include "../emulated_launcher.h"
#include "example_params.h"

namespace {

using emulation::DeviceArray;
using emulation::DeviceFloats;

void check_sums(DType dtype, i32 num_rows, i32 dim) {
  const check::Case in(check::text(dtype_name(dtype), " ", num_rows, " x ", dim));
  Random random(emulation::run_seed());
  const DeviceFloats x(dtype, random.uniforms(size_t(num_rows) * size_t(dim)));
  const DeviceArray<f32> out(static_cast<size_t>(num_rows));

  emulation::EmulatedLauncher launcher;
  const std::string kernel = check::text("example_", dtype_name(dtype));
  const ExampleParams params = {out.data(), x.data(), num_rows, dim};
  const Status status = launcher.launch(kernel.c_str(), {.x = u32(num_rows)}, params);
  CHECK_EQUAL(status.message(), "");

  std::vector<double> expected(static_cast<size_t>(num_rows), 0.0);
  const std::vector<f32> stored = x.download();
  for (size_t i = 0; i < stored.size(); ++i) expected[i / size_t(dim)] += double(stored[i]);
  CHECK_CLOSE(kernel, out.download(), expected, (emulation::Tolerance{1e-4, 1e-5}));
}

}  // namespace

TEST("example: sums rows of every length up to 1,024") {
  for (const DType dtype : {kBF16, kF16}) {
    for (const i32 dim : {8, 64, 1016, 1024}) check_sums(dtype, 9, dim);
  }
}
