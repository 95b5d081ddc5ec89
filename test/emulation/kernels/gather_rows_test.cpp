#include "run_op.h"

namespace {

using emulation::DeviceArray;
using emulation::run_op;

size_t elem_size(DType dtype) { return dtype == kF32 || dtype == kI32 ? 4 : 2; }

// Rows that are not named are 0xFF; every byte of the others is random.
void check_gather(Random& random, DType dtype, i32 dim, const std::string& kernel, i64 shift = 0) {
  const check::Case description(check::text("dtype ", i32(dtype), ", ", dim, ", shift ", shift));
  constexpr i32 kNumSourceRows = 9;
  const size_t row_bytes = size_t(dim) * elem_size(dtype);
  const std::vector<i32> rows = {8, 0, 3, 3, 5};
  std::vector<u8> source(size_t(shift) + row_bytes * kNumSourceRows, 0xFF);
  for (const i32 row : rows) {
    for (size_t i = 0; i < row_bytes; ++i) {
      source[size_t(shift) + size_t(row) * row_bytes + i] = u8(random.next());
    }
  }
  const DeviceArray<u8> x(source), out(row_bytes * rows.size());
  const DeviceArray<i32> device_rows(rows);
  CHECK_EQUAL(run_op(cuda::gather_rows, GatherRowsParams{.out = out.data(),
                                                         .x = x.data() + shift,
                                                         .rows = device_rows.data(),
                                                         .num_rows = i32(rows.size()),
                                                         .num_source_rows = kNumSourceRows,
                                                         .dim = dim,
                                                         .dtype = dtype}),
              kernel);
  std::vector<u8> expected;
  for (const i32 row : rows) {
    const auto begin = source.begin() + shift + i64(row_bytes) * row;
    expected.insert(expected.end(), begin, begin + i64(row_bytes));
  }
  CHECK(out.download() == expected);
  emulation::note_exact_case(kernel);
}

}  // namespace

TEST("gather_rows: copies the named rows, in order, whatever their alignment") {
  Random random(emulation::run_seed() + 50);
  for (const i32 dim : {4, 256, 1024, 1028, 5000})
    check_gather(random, kF32, dim, "gather_rows_16");
  for (const i32 dim : {8, 2048, 3000}) check_gather(random, kBF16, dim, "gather_rows_16");
  for (const i32 dim : {1, 3, 63, 257, 1025}) check_gather(random, kF32, dim, "gather_rows_4");
  for (const i32 dim : {2, 6, 514}) check_gather(random, kF16, dim, "gather_rows_4");
  for (const i32 dim : {1, 7, 255, 513}) check_gather(random, kBF16, dim, "gather_rows_2");
  check_gather(random, kF32, 64, "gather_rows_4", 4);
  check_gather(random, kBF16, 64, "gather_rows_2", 2);
}

TEST("gather_rows: offsets of rows pass 2^31 elements") {
  constexpr i32 kDim = 1 << 16;
  constexpr i32 kLastRow = (1 << 15) + 3;
  Random random(emulation::run_seed() + 51);
  const std::vector<f32> row = random.uniforms(kDim);
  emulation::DeviceBytes x((size_t(kLastRow) + 1) * kDim * 4);
  x.upload(row.data(), kDim * 4, size_t(kLastRow) * kDim * 4);
  const DeviceArray<i32> rows(std::vector<i32>{kLastRow});
  const DeviceArray<f32> out(kDim);
  run_op(cuda::gather_rows, GatherRowsParams{.out = out.data(),
                                             .x = x.data(),
                                             .rows = rows.data(),
                                             .num_rows = 1,
                                             .num_source_rows = kLastRow + 1,
                                             .dim = kDim,
                                             .dtype = kF32});
  CHECK(out.download() == row);
}
