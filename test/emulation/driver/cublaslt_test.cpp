// Matrix products where cuBLASLt cannot be had: our own kernels take them.

#include "../../../addon/cuda/cublaslt.h"

#include <cmath>

#include "../../../cuda/matmul_params.h"
#include "cuda_fixture.h"

namespace {

// What opening says with $PAGED_ATTENTION_CUBLASLT at `path`; it must give nothing.
std::string refusal_of(const std::string& path) {
  const Variable library("PAGED_ATTENTION_CUBLASLT", path);
  std::vector<std::string> tries;
  CHECK(cuda::Cublaslt::open(&tries) == nullptr);
  CHECK_EQUAL(tries.size(), size_t(1));
  return tries.empty() ? "" : tries[0];
}

}  // namespace

TEST("cuBLASLt that is not there, or is something else, is left out and says why") {
  const std::string absent = refusal_of("/nowhere/libcublasLt.so.13");
  CHECK_EQUAL(absent.rfind("/nowhere/libcublasLt.so.13: ", 0), size_t(0));
  CHECK_EQUAL(refusal_of(PA_EMULATED_LIBRARY),
              std::string(PA_EMULATED_LIBRARY) + ": has no cublasLtGetVersion");
}

TEST("cuBLASLt of the machine is not looked for beside a driver that was chosen by hand") {
  const Variable driver("PAGED_ATTENTION_LIBCUDA", PA_EMULATED_LIBRARY);
  const Variable library("PAGED_ATTENTION_CUBLASLT", "");
  std::vector<std::string> tries;
  CHECK(cuda::Cublaslt::open(&tries) == nullptr);
  CHECK_EQUAL(tries.size(), size_t(1));
}

TEST("without cuBLASLt a product has the bits of deterministic mode at more than 8 rows") {
  constexpr i32 kRows = 20;
  constexpr i32 kInDim = 64;
  constexpr i32 kOutDim = 40;
  const Variable library("PAGED_ATTENTION_CUBLASLT", "/nowhere/libcublasLt.so.13");
  Random random(3);
  const FloatArray x(kBF16, random.uniforms(kRows * kInDim));
  const FloatArray weight(kBF16, random.uniforms(kOutDim * kInDim));
  std::vector<f32> results[2];
  for (const bool is_deterministic : {false, true}) {
    CudaOptions options = emulated_options();
    options.is_deterministic = is_deterministic;
    const std::unique_ptr<Backend> backend = open_gpu(options);
    DeviceBytes device_x(*backend, x.bytes().size());
    DeviceBytes device_weight(*backend, weight.bytes().size());
    const DeviceBytes out(*backend, sizeof(f32) * kRows * kOutDim);
    device_x.write(x.bytes());
    device_weight.write(weight.bytes());
    check_ok(backend->matmul({.out = out.as<f32>(),
                              .x = device_x.as<u8>(),
                              .weight = {device_weight.as<u8>(), kOutDim, kInDim, kBF16},
                              .bias = nullptr,
                              .num_rows = kRows,
                              .out_dtype = kF32}));
    results[is_deterministic] = out.read<f32>(kRows * kOutDim);
  }
  CHECK(results[0] == results[1]);
  double expected = 0;
  for (size_t k = 0; k < kInDim; ++k) expected += double(x[19 * kInDim + k]) * double(weight[k]);
  CHECK(std::abs(double(results[0][19 * kOutDim]) - expected) < 1e-5);
}
