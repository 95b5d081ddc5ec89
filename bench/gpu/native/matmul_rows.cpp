// matmul with bf16 weights, cold L2: weights take turns. Own kernels, or what the default mode
// picks.

#include <algorithm>

#include "../../../addon/cuda/ops.h"
#include "../../../addon/float_types.h"
#include "../../../cuda/matmul_params.h"
#include "rows.h"

namespace bench {
namespace {

// Products of the first and last row with 64 outputs from the front, in float64.
double verify(Gpu& gpu, const MatmulParams& params, i64 pitch) {
  const i64 in_dim = params.weight.in_dim;
  const i32 num_outputs = std::min(64, params.weight.out_dim);
  const auto read = [&](const void* data, i64 first, i64 count) {
    std::vector<double> values;
    for (const u16 bits : gpu.download_array(static_cast<const u16*>(data) + first, count)) {
      values.push_back(double(cpu::bf16_to_f32(bits)));
    }
    return values;
  };
  double worst = 0;
  for (const i32 row : {0, params.num_rows - 1}) {
    const std::vector<double> x = read(params.x, row * in_dim, in_dim);
    std::vector<double> expected;
    for (i32 n = 0; n < num_outputs; n++) {
      const std::vector<double> weights = read(params.weight.data, n * pitch, in_dim);
      double sum = 0;
      for (i64 k = 0; k < in_dim; k++) {
        sum += x[static_cast<size_t>(k)] * weights[static_cast<size_t>(k)];
      }
      expected.push_back(sum);
    }
    const std::vector<f32> out = gpu.download_array(
        static_cast<const f32*>(params.out) + i64{row} * params.weight.out_dim, num_outputs);
    const double error = relative_error({out.begin(), out.end()}, expected);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

}  // namespace

void run_matmul(Gpu& gpu, const Request& request) {
  const i32 num_rows = request.number("rows");
  const i32 in_dim = request.number("inDim");
  const i32 out_dim = request.number("outDim");
  const i64 pitch = matmul_weight_pitch(in_dim);
  const i64 weight_bytes = out_dim * pitch * 2;
  cuda::Launcher& launcher =
      request.text("kernels") == "own" ? gpu.deterministic_launcher() : gpu.launcher();
  Scope scope(gpu);
  MatmulParams params{};
  params.num_rows = num_rows;
  params.out_dtype = kF32;
  params.out = scope.array<f32>(i64{num_rows} * out_dim);
  void* const x = scope.array<u16>(i64{num_rows} * in_dim);
  gpu.fill_random(x, kBF16, i64{num_rows} * in_dim, 1.0f, 1);
  params.x = x;

  std::vector<std::function<Status()>> calls;
  for (int i = 0; i < num_sets(gpu, weight_bytes); i++) {
    void* const data = scope.allocate(static_cast<size_t>(weight_bytes));
    gpu.fill_random(data, kBF16, out_dim * pitch, 1.0f, static_cast<u64>(i) + 2);
    params.weight = {data, out_dim, in_dim, kBF16};
    calls.emplace_back([&launcher, params] { return cuda::matmul(launcher, params); });
  }
  for (const auto& call : calls) require(call());
  const double error = verify(gpu, params, pitch);
  require_accuracy(request, error, 0.001);
  const Times times = time_calls(gpu, calls);
  const double flops = 2.0 * num_rows * in_dim * out_dim;
  print({request, times, double(weight_bytes), flops, error});
}

}  // namespace bench
