// Promise P1 on the GPU: in deterministic mode a row's bits depend on its q, its position and the
// cached values only.

#include "attention_run.h"

using namespace attention_case;
using emulation::EmulatedLauncher;

namespace {

constexpr i32 kContextLen = 2117;  // three splits, the last one ends inside a tile
constexpr i32 kQueryLen = 70;      // prefill rows that begin and end inside a tile

Shape base_shape(DType dtype, i32 head_dim, i32 group, i32 window) {
  Shape shape;
  shape.dtype = dtype;
  shape.head_dim = head_dim;
  shape.num_kv_heads = 1;
  shape.group = group;
  shape.window = window;
  shape.with_sinks = true;
  shape.sequences = {{kQueryLen, kContextLen}};
  return shape;
}

// A GPU on which splits run side by side, or one on which a CTA takes them in a row.
cuda::GpuInfo gpu_of(i32 num_sms) {
  cuda::GpuInfo gpu = emulation::small_gpu();
  gpu.num_sms = num_sms;
  return gpu;
}

struct Arrangement {
  i32 block_size;
  u64 seed;
  i32 num_sms;
  i32 num_strangers;
  // Rows of the chunks, from the sequence's last kQueryLen positions on; the rest is one chunk.
  std::vector<i32> chunks;
};

// Runs the last rows in chunks, each a step of its own, and compares every row's bits.
void check_arrangement(const Shape& base, const Values& values, const Result& expected,
                       const Arrangement& how) {
  EmulatedLauncher launcher(true, gpu_of(how.num_sms));
  i32 done = 0;
  for (const i32 chunk : how.chunks) {
    Shape shape = base;
    shape.block_size = how.block_size;
    shape.sequences.clear();
    // Strangers come first, so that rows lie elsewhere in tiles and lists too.
    Values with_strangers = values;
    with_strangers.sequences.clear();
    for (i32 i = 0; i < how.num_strangers; ++i) {
      shape.sequences.push_back({1 + i % 3 * 20, 300 + 64 * i});
      with_strangers.sequences.push_back(values.sequences[0]);
      for (f32& v : with_strangers.sequences.back().values) v = NAN;
    }
    shape.sequences.push_back({chunk, kContextLen - kQueryLen + done + chunk});
    with_strangers.sequences.push_back(values.sequences[0]);
    const Result result = attend(launcher, shape, with_strangers, {.seed = how.seed});
    const i32 first_row = shape.num_rows() - chunk;
    for (i32 row = 0; row < chunk; ++row) {
      const bool is_same = result.row(shape, first_row + row) == expected.row(base, done + row);
      if (is_same) continue;
      check::fail(
          __FILE__, __LINE__,
          check::text("row ", done + row, " in a chunk of ", chunk, ", block_size ", how.block_size,
                      ", ", how.num_sms, " SMs, ", how.num_strangers, " strangers has other bits"));
    }
    done += chunk;
  }
}

void check_all_arrangements(const Shape& shape, u64 salt) {
  const check::Case scope(shape.text());
  Random random(emulation::run_seed() + salt);
  const Values values(random, shape);
  EmulatedLauncher launcher(true);
  const Result expected = attend(launcher, shape, values);
  check_result(shape, values, expected, launcher.last_kernel());
  const std::vector<Arrangement> arrangements = {
      {16, 2, 4, 0, {70}},           {16, 3, 64, 0, {70}},  // splits side by side
      {8, 4, 1, 0, {1, 1, 33, 1}},                          // decode, one CTA
      {32, 5, 64, 0, {1, 2, 61, 1}}, {256, 6, 4, 3, {16, 1, 1}}, {64, 7, 64, 5, {64, 1}},
  };
  for (const Arrangement& how : arrangements) check_arrangement(shape, values, expected, how);
}

}  // namespace

TEST("deterministic attention has the same bits in every chunk, batch, block size and place") {
  check_all_arrangements(base_shape(kBF16, 64, 4, -1), 11);
  check_all_arrangements(base_shape(kF16, 80, 1, -1), 12);
}

TEST("deterministic attention has the same bits with a window and with odd groups") {
  check_all_arrangements(base_shape(kBF16, 96, 7, 37), 13);
  check_all_arrangements(base_shape(kF16, 64, 2, 1100), 14);
}

TEST("deterministic attention has the same bits at head dims 128 and 256") {
  check_all_arrangements(base_shape(kBF16, 128, 1, -1), 15);
  check_all_arrangements(base_shape(kF16, 256, 2, 1024), 16);
}

TEST("attention in either mode gives the same bits again and again") {
  for (const bool is_deterministic : {false, true}) {
    Random random(emulation::run_seed() + 17);
    Shape shape = base_shape(kBF16, 64, 3, -1);
    shape.sequences = {{1, 1500}, {20, 300}, {3, 700}};
    const Values values(random, shape);
    EmulatedLauncher launcher(is_deterministic);
    const Result first = attend(launcher, shape, values);
    for (i32 i = 0; i < 20; ++i) {
      const Result again = attend(launcher, shape, values, {.seed = u64(i) + 2});
      CHECK(again.out == first.out);
      CHECK(std::memcmp(again.lse.data(), first.lse.data(), first.lse.size() * 4) == 0);
    }
  }
}
