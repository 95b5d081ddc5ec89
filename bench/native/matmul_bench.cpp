#include <cstdio>
#include <vector>

#include "bench.h"

namespace {

// A weight whose packed bytes are 0.5 in every element, and rows of x likewise.
struct MatmulCase {
  Backend& backend;
  DType dtype;
  i32 in_dim, out_dim, num_rows;

  void run(const Ceilings& ceilings) const {
    const size_t elem_bytes = dtype == kF32 ? 4 : 2;
    const size_t weight_bytes = backend.packed_bytes(dtype, out_dim, in_dim);
    const size_t x_bytes = size_t(num_rows) * size_t(in_dim) * elem_bytes;
    void* weight = backend.allocate(weight_bytes, true);
    void* x = backend.allocate(x_bytes, false);
    // 0x38 twice is an ordinary number in all three types.
    backend.fill(weight, 0x38, weight_bytes);
    backend.fill(x, 0x38, x_bytes);
    std::vector<f32> out(size_t(num_rows) * size_t(out_dim));
    const MatmulParams params = {out.data(), x,        {weight, out_dim, in_dim, dtype},
                                 nullptr,    num_rows, kF32};
    const double seconds = best_seconds([&] { backend.matmul(params); });
    report(seconds, ceilings, weight_bytes);
    backend.free(weight, weight_bytes);
    backend.free(x, x_bytes);
  }

  void report(double seconds, const Ceilings& ceilings, size_t weight_bytes) const {
    const double gflops = 2.0 * num_rows * double(in_dim) * out_dim / seconds / 1e9;
    const double gigabytes = double(weight_bytes) / seconds / 1e9;
    const double peak = dtype == kBF16 ? ceilings.bf16_gflops : ceilings.f32_gflops;
    std::printf(
        "  matmul %-4s %4d rows %5d -> %6d  %8.1f GFLOP/s (%3.0f %% of %.0f)  %6.1f GB/s (%3.0f %% "
        "of %.1f)\n",
        dtype == kF32   ? "f32"
        : dtype == kF16 ? "f16"
                        : "bf16",
        num_rows, in_dim, out_dim, gflops, peak > 0 ? 100.0 * gflops / peak : 0.0, peak, gigabytes,
        100.0 * gigabytes / ceilings.gigabytes_per_second, ceilings.gigabytes_per_second);
  }
};

}  // namespace

void bench_matmul(Backend& backend, const Ceilings& ceilings) {
  const bool is_slow = backend.info().isa == "portable";
  for (const DType dtype : {kBF16, kF16, kF32}) {
    for (const i32 num_rows : {1, 4, 8, 64, 512}) {
      if (is_slow && num_rows > 8) continue;
      MatmulCase{backend, dtype, 1024, is_slow ? 1024 : 5632, num_rows}.run(ceilings);
    }
    // Past every cache: one row streams 66 MB (131 MB as f32).
    if (!is_slow) MatmulCase{backend, dtype, 1024, 32000, 1}.run(ceilings);
    if (!is_slow) MatmulCase{backend, dtype, 8192, 2048, 512}.run(ceilings);
  }
}
