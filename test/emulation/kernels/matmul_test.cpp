#include "../../../addon/cuda/matmul_op.h"
#include "../../../addon/cuda/ops.h"
#include "matmul_case.h"
#include "pairwise.h"

namespace {

using cuda::MatmulVariant;
using emulation::EmulatedLauncher;
using emulation::MatmulCase;
using emulation::MatmulShape;

const DType kWeightDTypes[] = {kBF16, kF16};
const DType kOutDTypes[] = {kF32, kF16, kBF16};
const MatmulVariant kVariants[] = {MatmulVariant::k128x128, MatmulVariant::k64x64,
                                   MatmulVariant::k16x32, MatmulVariant::k64x64Unaligned};

std::vector<f32> run_variant(const MatmulCase& product, MatmulVariant variant,
                             std::string* kernel = nullptr) {
  return product.run([&](const MatmulParams& params) {
    EmulatedLauncher launcher;
    const Status status = cuda::launch_matmul(launcher, variant, params);
    if (kernel != nullptr) *kernel = launcher.last_kernel();
    return status;
  });
}

// As a backend runs it; gives the name of the kernel too.
std::vector<f32> run_op(const MatmulCase& product, bool is_deterministic,
                        std::string* kernel = nullptr) {
  return product.run([&](const MatmulParams& params) {
    EmulatedLauncher launcher(is_deterministic);
    const Status status = cuda::matmul(launcher, params);
    if (kernel != nullptr) *kernel = launcher.last_kernel();
    return status;
  });
}

}  // namespace

TEST("matmul: every tile equals double loops at the sizes where a path changes") {
  Random random(emulation::run_seed());
  const std::vector<i32> rows = {1, 7, 8, 9, 15, 16, 17, 64, 65, 129};
  const std::vector<i32> in_dims = {8, 16, 24, 31, 64, 257, 392};
  const std::vector<i32> out_dims = {1, 7, 8, 63, 64, 65, 130};
  for (const std::vector<i32>& at : emulation::shape_cover({10, 7, 7, 4}, random)) {
    const MatmulShape shape = {rows[size_t(at[0])], in_dims[size_t(at[1])],
                               out_dims[size_t(at[2])]};
    MatmulVariant variant = kVariants[at[3]];
    if (shape.in_dim % 8 != 0) variant = MatmulVariant::k64x64Unaligned;
    const MatmulCase product(random, shape, kWeightDTypes[random.below(2)],
                             kOutDTypes[random.below(3)], random.below(2) == 0);
    const check::Case description(product.name());
    std::string kernel;
    const std::vector<f32> out = run_variant(product, variant, &kernel);
    product.check(kernel, out);
  }
}

TEST("matmul: all tiles and row counts give a row the same bits") {
  Random random(emulation::run_seed() + 1);
  for (const MatmulShape shape : {MatmulShape{130, 392, 70}, {17, 24, 33}, {5, 1000, 9}}) {
    for (const DType dtype : kWeightDTypes) {
      const MatmulCase product(random, shape, dtype, kF32, true);
      const check::Case description(product.name());
      const std::vector<f32> expected = run_variant(product, MatmulVariant::k64x64);
      for (const MatmulVariant variant : kVariants) {
        CHECK(emulation::has_same_bits(run_variant(product, variant), expected));
      }
      const i32 row = random.below(shape.num_rows);
      const auto begin = expected.begin() + i64(row) * shape.out_dim;
      const std::vector<f32> expected_row(begin, begin + shape.out_dim);
      for (const MatmulVariant variant : kVariants) {
        CHECK(emulation::has_same_bits(run_variant(product.rows(row, 1), variant), expected_row));
      }
    }
  }
}

TEST("matmul: in deterministic mode a row has the same bits at every row count") {
  Random random(emulation::run_seed() + 2);
  for (const i32 in_dim : {264, 257}) {
    const MatmulCase product(random, {129, in_dim, 40}, kBF16, kF32, true);
    const std::vector<f32> expected = run_op(product, true);
    for (const i32 count : {1, 2, 8, 9, 16, 17, 64, 65, 128}) {
      const i32 first = random.below(130 - count);
      const check::Case description(check::text(count, " rows from ", first, " of ", in_dim));
      const auto begin = expected.begin() + i64(first) * 40;
      const std::vector<f32> part(begin, begin + i64(count) * 40);
      CHECK(emulation::has_same_bits(run_op(product.rows(first, count), true), part));
    }
  }
}

TEST("matmul: NaN and infinity stay in their row of x and their row of the weight") {
  Random random(emulation::run_seed() + 3);
  for (const MatmulVariant variant : kVariants) {
    MatmulCase product(random, {20, 40, 70}, kBF16, kF32, false);
    const std::vector<f32> clean = run_variant(product, variant);
    product.x[3 * 40 + 39] = NAN;
    product.x[19 * 40 + 8] = INFINITY;
    product.weight[69 * 40 + 1] = NAN;
    const std::vector<f32> out = run_variant(product, variant);
    for (size_t i = 0; i < out.size(); ++i) {
      const bool is_nan = i / 70 == 3 || i % 70 == 69;
      const bool is_infinite = !is_nan && i / 70 == 19;
      const check::Case description(check::text("element ", i));
      CHECK(is_nan ? std::isnan(out[i]) : is_infinite ? std::isinf(out[i]) : out[i] == clean[i]);
    }
  }
}

TEST("matmul: the order of K counts, and is ascending") {
  // Every output is the sum of 2^k-th terms that cancel only from left to right in steps of 16.
  const MatmulShape shape = {3, 64, 16};
  Random random(1);
  MatmulCase product(random, shape, kBF16, kF32, false);
  for (f32& weight : product.weight) weight = 1.0f;
  for (f32& x : product.x) x = 0.0f;
  for (size_t row = 0; row < 3; ++row) {
    product.x[row * 64 + 0] = 0x1p30f;
    product.x[row * 64 + 16] = -0x1p30f;
    product.x[row * 64 + 32] = 1.0f;
  }
  for (const MatmulVariant variant : kVariants) {
    for (const f32 out : run_variant(product, variant)) CHECK_EQUAL(out, 1.0f);
  }
}

TEST("matmul: few rows take the streaming kernel in default mode only") {
  Random random(emulation::run_seed() + 4);
  std::string kernel;
  const auto kernel_of = [&](i32 num_rows, i32 in_dim, i32 out_dim, bool is_deterministic) {
    const MatmulCase product(random, {num_rows, in_dim, out_dim}, kF16, kF32, false);
    product.check(kernel, run_op(product, is_deterministic, &kernel));
    return kernel;
  };
  CHECK_EQUAL(kernel_of(8, 64, 32, false), "matmul_few_rows_f16");
  CHECK_EQUAL(kernel_of(1, 63, 32, false), "matmul_few_rows_f16_unaligned");
  CHECK_EQUAL(kernel_of(8, 64, 32, true), "matmul_f16_16x32");
  CHECK_EQUAL(kernel_of(9, 64, 32, false), "matmul_f16_16x32");
  CHECK_EQUAL(kernel_of(64, 64, 200, false), "matmul_f16_64x64");
  CHECK_EQUAL(kernel_of(500, 16, 300, false), "matmul_f16_128x128");
  CHECK_EQUAL(kernel_of(9, 63, 32, true), "matmul_f16_64x64_unaligned");
}

TEST("matmul: offsets of outputs and weights pass 2^31 elements") {
  constexpr i32 kOutDim = 1 << 29;  // 8 rows: the last ones start past 2^31 elements
  constexpr i32 kRows = 8;
  constexpr i64 kPitch = 1ll << 28;  // of the weight: row 8 starts at 2^31
  Random random(emulation::run_seed() + 5);
  const MatmulCase product(random, {kRows, 8, 64}, kBF16, kF32, false);
  emulation::DeviceBytes out(size_t(kOutDim) * kRows * 4), weight(size_t(kPitch) * 64 * 2);
  const FloatArray stored(kBF16, product.weight);
  for (size_t n = 0; n < 64; ++n) {
    weight.upload(stored.bytes().data() + n * 16, 16, n * size_t(kPitch) * 2);
  }
  const emulation::DeviceFloats x(kBF16, product.x);
  const MatmulPlan plan = {
      .params = {out.data(), x.data(), {weight.data(), kOutDim, 8, kBF16}, nullptr, kRows, kF32},
      .weight_pitch = kPitch,
      .num_row_tiles = 1,
      .num_col_tiles = kOutDim / 64,
  };
  EmulatedLauncher launcher;
  const u32 shared_bytes = kMatmulSharedBytes<MatmulTile64x64>;
  const Status status = launcher.launch(
      "matmul_bf16_64x64", {.x = 1, .threads = 128, .shared_bytes = shared_bytes}, plan);
  CHECK_EQUAL(status.message(), "");
  std::vector<f32> written;
  for (size_t row = 0; row < kRows; ++row) {
    const f32* const from = reinterpret_cast<const f32*>(out.data()) + row * size_t(kOutDim);
    written.insert(written.end(), from, from + 64);
  }
  product.check("matmul_bf16_64x64", written);
}

TEST("matmul: refuses dtypes without a kernel, and launches nothing for no rows") {
  EmulatedLauncher launcher;
  MatmulParams params = {nullptr, nullptr, {nullptr, 8, 8, kF32}, nullptr, 4, kF32};
  const Status weight = cuda::matmul(launcher, params);
  CHECK_EQUAL(std::string(weight.code()), "ERR_UNSUPPORTED_DTYPE");
  CHECK_EQUAL(weight.message(), "matmul's weight is f32; known are bf16, f16");
  params.weight.dtype = kBF16;
  params.out_dtype = kI32;
  CHECK_EQUAL(cuda::matmul(launcher, params).message(),
              "matmul's out is i32; known are f32, f16, bf16");
  params.out_dtype = kF32;
  params.num_rows = 0;
  CHECK(cuda::matmul(launcher, params).is_ok());
  CHECK_EQUAL(launcher.num_launches(), 0);
}
