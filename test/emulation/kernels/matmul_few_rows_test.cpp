#include "../../../addon/cuda/matmul_op.h"
#include "matmul_case.h"
#include "pairwise.h"

namespace {

using emulation::EmulatedLauncher;
using emulation::MatmulCase;
using emulation::MatmulShape;

std::vector<f32> run_few_rows(const MatmulCase& product, std::string* kernel = nullptr) {
  return product.run([&](const MatmulParams& params) {
    EmulatedLauncher launcher;
    const Status status = cuda::launch_matmul_few_rows(launcher, params);
    if (kernel != nullptr) *kernel = launcher.last_kernel();
    return status;
  });
}

}  // namespace

TEST("matmul_few_rows: equals double loops at the sizes where a path changes") {
  Random random(emulation::run_seed() + 10);
  const std::vector<i32> rows = {1, 2, 3, 7, 8};
  // One piece and less, whole pieces, and each number of slices with a whole and a broken end.
  const std::vector<i32> in_dims = {1,   8,   24,  31,   64,   128,  136,  257,  384,
                                    512, 520, 904, 1024, 1031, 2048, 2056, 2304, 3000};
  const std::vector<i32> out_dims = {1, 7, 8, 15, 16, 17, 63, 64, 65, 130};
  for (const std::vector<i32>& at : emulation::shape_cover({5, 18, 10, 2, 3}, random)) {
    const MatmulShape shape = {rows[size_t(at[0])], in_dims[size_t(at[1])],
                               out_dims[size_t(at[2])]};
    const DType out_dtypes[] = {kF32, kF16, kBF16};
    const MatmulCase product(random, shape, at[3] == 0 ? kBF16 : kF16, out_dtypes[at[4]],
                             random.below(2) == 0);
    const check::Case description(product.name());
    std::string kernel;
    const std::vector<f32> out = run_few_rows(product, &kernel);
    product.check(kernel, out);
  }
}

TEST("matmul_few_rows: a row has the same bits whatever rows come with it") {
  Random random(emulation::run_seed() + 11);
  for (const i32 in_dim : {1000, 2500, 257}) {
    const MatmulCase product(random, {8, in_dim, 40}, kF16, kF32, true);
    const std::vector<f32> expected = run_few_rows(product);
    for (const i32 count : {1, 2, 5, 7}) {
      const i32 first = random.below(9 - count);
      const check::Case description(check::text(count, " rows from ", first, " of ", in_dim));
      const auto begin = expected.begin() + i64(first) * 40;
      const std::vector<f32> part(begin, begin + i64(count) * 40);
      CHECK(emulation::has_same_bits(run_few_rows(product.rows(first, count)), part));
    }
  }
}

TEST("matmul_few_rows: NaN and infinity stay in their row of x and their row of the weight") {
  Random random(emulation::run_seed() + 12);
  for (const i32 in_dim : {200, 201}) {
    MatmulCase product(random, {3, in_dim, 23}, kBF16, kF32, false);
    const std::vector<f32> clean = run_few_rows(product);
    product.x[size_t(in_dim) + 5] = NAN;
    product.x[size_t(in_dim) * 2 + 150] = INFINITY;
    product.weight[size_t(in_dim) * 22] = NAN;
    const std::vector<f32> out = run_few_rows(product);
    for (size_t i = 0; i < out.size(); ++i) {
      const check::Case description(check::text("element ", i));
      const bool is_nan = i / 23 == 1 || i % 23 == 22;
      CHECK(is_nan ? std::isnan(out[i]) : i / 23 == 2 ? std::isinf(out[i]) : out[i] == clean[i]);
    }
  }
}

TEST("matmul_few_rows: offsets of weights pass 2^31 elements") {
  constexpr i64 kPitch = 1ll << 28;  // row 8 starts at 2^31
  Random random(emulation::run_seed() + 13);
  const MatmulCase product(random, {2, 8, 16}, kBF16, kF32, false);
  emulation::DeviceBytes weight(size_t(kPitch) * 16 * 2);
  const FloatArray stored(kBF16, product.weight);
  for (size_t n = 0; n < 16; ++n) {
    weight.upload(stored.bytes().data() + n * 16, 16, n * size_t(kPitch) * 2);
  }
  const emulation::DeviceFloats x(kBF16, product.x);
  const emulation::DeviceFloats out(kF32, 32, NAN);
  const MatmulFewRowsPlan plan = {
      .params = {out.data(), x.data(), {weight.data(), 16, 8, kBF16}, nullptr, 2, kF32},
      .weight_pitch = kPitch,
      .num_slices = 1,
  };
  EmulatedLauncher launcher;
  CHECK(launcher.launch("matmul_few_rows_bf16", {.x = 1, .threads = 256}, plan).is_ok());
  product.check("matmul_few_rows_bf16", out.download());
}
