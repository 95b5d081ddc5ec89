// The bugs that users filed against paged attention elsewhere, each with the test that would fail.
// Numbers are of the list that the field's issue trackers were read for; those left out concern
// tensor maps (13), staging buffers (17), fp8 (22, 23), dependent launches (26) and cascades (31),
// which these kernels do not have; 11 and 18 are ruled out by types (tables are i32 everywhere, and
// a launch takes all its parameters each time).
//
//       bug                                     test (of this file unless named)
//  1-4  int32 overflow of block * stride        reads blocks past 2^31 and 2^32 bytes and elements
//    5  0 * NaN from what nobody owns           lets nothing that it does not own meet arithmetic
//    6  padding rows give NaN                   attention_test: ... and pads the batch
//    7  reads past the length in the last block lets nothing that it does not own ...
//    8  -inf - -inf when partial results merge  joins splits that a row does not see ...
//    9  large scores meet a finite sentinel     keeps scores of hundreds apart
//   10  the last block's length is passed       attention_test: ... at every length (it is derived)
//   12  the table is read past its last entry   lets nothing ...: entries there name no block
//   14  inputs assumed contiguous               every test: strides have gaps (kv_fixture.h)
//   15  a capture bakes lengths in              is right for any lengths in one configuration
//   16  CTAs without work read a stale plan     does not read what an earlier step left behind
//   19  rows of empty splits stay unwritten     is right for any lengths ...: outputs start as NaN
//   20  lse wrong after the merge               joins splits ... and gives the lse of an unsplit row
//   21  window off by one                       sees window positions before its own, not one more
//   24  sequences without length                is right for any lengths in one configuration
//   25  groups that are no power of two         takes any group
//   27  the boundary tile is unmasked           attention_test: prefills a chunk ...
//   28  V fetched from K's place                every test: V has strides of its own
//   29  more shared memory than sm_86 has       attention_op_test: fits the shared memory of sm_86
//   30  sinks read past their end               takes any group: sinks are exactly num_heads long

#include "attention_run.h"

using namespace attention_case;
using emulation::EmulatedLauncher;

namespace {

Random fresh(u64 salt) { return Random(emulation::run_seed() + 1000 * salt); }

// Runs and compares in both modes.
void run_both(const Shape& shape, Random& random, const Placement& placement = {},
              const cuda::GpuInfo& gpu = emulation::small_gpu()) {
  const check::Case scope(shape.text());
  const Values values(random, shape);
  for (const bool is_deterministic : {false, true}) {
    EmulatedLauncher launcher(is_deterministic, gpu);
    const Result result = attend(launcher, shape, values, placement);
    check_result(shape, values, result, launcher.last_kernel());
  }
}

cuda::GpuInfo gpu_with(i32 num_sms) {
  cuda::GpuInfo gpu = emulation::small_gpu();
  gpu.num_sms = num_sms;
  return gpu;
}

}  // namespace

TEST("attention reads blocks past 2^31 and 2^32 bytes and elements") {
  Random random = fresh(1);
  Shape shape;
  shape.head_dim = 128;
  shape.block_size = 16;
  shape.sequences = {{1, 100}, {20, 50}};
  // 33 KB per block: the first one used lies at 2 GiB of bytes, then at 4 GiB of elements.
  for (const i64 first_block : {i64(1) << 16, i64(1) << 18}) {
    run_both(shape, random, {.first_block = first_block, .zero_pool = true});
  }
}

TEST("attention lets nothing that it does not own meet arithmetic") {
  Random random = fresh(2);
  for (const f32 poison : emulation::kPoisons) {
    for (const i32 block_size : {8, 16, 64, 256}) {
      for (const i32 window : {-1, 40}) {
        Shape shape;
        shape.block_size = block_size;
        shape.window = window;
        shape.sequences = {{1, 65}, {1, 129}, {1, 1}, {5, 70}, {20, 83}, {40, 280}};
        run_both(shape, random, {.seed = random.next(), .poison = poison});
      }
    }
  }
}

TEST("attention joins splits that a row does not see, and gives the lse of an unsplit row") {
  Random random = fresh(3);
  // The rows of a tile see different splits: the first see none of the last, with a window the last
  // none of the first.
  for (const i32 window : {-1, 1000, 20}) {
    Shape shape;
    shape.group = 1;
    shape.window = window;
    shape.with_lse = window != 1000;
    shape.num_kv_heads = 1;
    shape.sequences = {{60, 1050}};
    run_both(shape, random, {}, gpu_with(64));
    shape.sequences = {{12, 1030}};
    run_both(shape, random, {}, gpu_with(64));
  }
  Shape shape;
  shape.num_kv_heads = 1;
  shape.sequences = {{1, 2500}};
  const Values values(random, shape);
  EmulatedLauncher whole(false, gpu_with(1)), split(false, gpu_with(64));
  const Result expected = attend(whole, shape, values);
  const Result actual = attend(split, shape, values);
  for (size_t i = 0; i < expected.lse.size(); ++i) {
    CHECK(std::fabs(actual.lse[i] - expected.lse[i]) < 1e-5f);
  }
}

TEST("attention keeps scores of hundreds apart") {
  Random random = fresh(4);
  for (const DType dtype : {kBF16, kF16}) {
    Shape shape;
    shape.dtype = dtype;
    shape.content = Content::kLarge;
    shape.scale = 0.5f;
    shape.sequences = {{1, 700}, {30, 90}};
    run_both(shape, random);
  }
}

TEST("attention takes negative scales and the scale 0") {
  Random random = fresh(5);
  for (const f32 softcap : {0.0f, 5.0f}) {
    Shape shape;
    shape.softcap = softcap;
    shape.scale = -0.2f;
    shape.sequences = {{1, 130}, {20, 40}};
    run_both(shape, random);
  }
  // Every visible value weighs the same.
  for (const f32 softcap : {0.0f, 5.0f}) {
    Shape zero;
    zero.content = Content::kLarge;
    zero.softcap = softcap;
    zero.scale = 0.0f;
    zero.sequences = {{1, 130}, {20, 40}};
    run_both(zero, random);
  }
  Shape shape;
  shape.sequences = {{1, 130}};
  Values values(random, shape);
  for (f32& q : values.sequences[0].queries) q = 0;
  shape.with_sinks = false;
  EmulatedLauncher launcher;
  const Result mean = attend(launcher, shape, values);
  for (const f32 lse : mean.lse) CHECK(std::fabs(lse - std::log(130.0f)) < 1e-5f);
}

TEST("attention is right for any lengths in one configuration") {
  Random random = fresh(6);
  // What a captured graph has: the same pointers, extents and grids; lengths are read on the
  // device.
  constexpr i32 kSeqs = 6;
  constexpr i32 kMaxContext = 400;
  for (i32 turn = 0; turn < 50; ++turn) {
    Shape shape;
    shape.num_kv_heads = 1 + turn % 2;
    shape.block_size = 32;
    shape.with_sinks = turn % 3 == 0;
    shape.out_dtype = turn % 4 == 1 ? kF16 : turn % 4 == 2 ? kBF16 : kF32;
    i32 num_rows = 0;
    for (i32 s = 0; s < kSeqs; ++s) {
      const i32 edge = 32 * random.below(kMaxContext / 32) + random.below(3) - 1;
      const i32 kind = random.below(5);
      const i32 context = kind == 0 ? 0 : kind == 1 ? random.below(kMaxContext) : std::max(edge, 0);
      // Graphs hold one row per sequence; any other split of the rows is right too.
      const i32 query =
          turn % 5 == 4 ? std::min(random.below(4), kSeqs - num_rows) : std::min(context, 1);
      num_rows += query;
      shape.sequences.push_back({query, context});
    }
    shape.num_padding_rows = kSeqs - num_rows;
    const check::Case scope(shape.text());
    const Values values(random, shape);
    static EmulatedLauncher eager(false), deterministic(true);
    for (EmulatedLauncher* launcher : {&eager, &deterministic}) {
      const Result result = attend(*launcher, shape, values, {.seed = random.next()});
      check_result(shape, values, result, launcher->last_kernel());
      CHECK(launcher->last_kernel().find("decode") != std::string::npos);
    }
  }
}

TEST("attention does not read what an earlier step left behind") {
  Random random = fresh(7);
  // Large counts, block ids and floats; negative ones and NaN. One SM takes splits in a row.
  for (const auto& [is_deterministic, left, num_sms] :
       {std::tuple(false, 0x7f, 16), {true, 0x7f, 16}, {false, 0xff, 1}, {true, 0xff, 1}}) {
    EmulatedLauncher launcher(is_deterministic, gpu_with(num_sms));
    for (const cuda::Workspace purpose :
         {cuda::Workspace::kAttentionPlan, cuda::Workspace::kAttentionPartials}) {
      void* data = nullptr;
      constexpr size_t kBytes = 16 << 20;
      kv_fixture::check_ok(launcher.workspace(purpose, kBytes, &data));
      std::memset(data, left, kBytes);
    }
    // Large steps, whose plans lie there when the small ones run.
    const std::vector<std::vector<SequenceLens>> steps = {{{1, 1500}, {1, 700}, {33, 600}},
                                                          {{1, 3}},
                                                          {{1, 900}},
                                                          {{0, 0}, {2, 5}, {40, 40}},
                                                          {{1, 1100}, {1, 1100}},
                                                          {{66, 2117}, {40, 1500}},
                                                          // More units than CTAs.
                                                          std::vector<SequenceLens>(20, {1, 40})};
    for (const std::vector<SequenceLens>& sequences : steps) {
      Shape shape;
      shape.num_kv_heads = 1;
      shape.sequences = sequences;
      const check::Case scope(shape.text());
      const Values values(random, shape);
      const Result result = attend(launcher, shape, values);
      check_result(shape, values, result, launcher.last_kernel());
    }
  }
}

TEST("attention sees window positions before its own, not one more") {
  Random random = fresh(8);
  for (const i32 window : {0, 1, 15, 16, 63, 64, 65, 100}) {
    for (const Content content : {Content::kNeedle, Content::kEdges}) {
      Shape shape;
      shape.window = window;
      shape.content = content;
      shape.sequences = {{1, 64 + window}, {1, 65 + window},  {1, 66 + window},  {1, window + 1},
                         {30, 200},        {8, 133 + window}, {40, 136 + window}};
      run_both(shape, random);
    }
  }
}

TEST("attention takes any group") {
  Random random = fresh(9);
  for (const i32 group : {3, 5, 6, 12, 16, 17, 33, 71}) {
    Shape shape;
    shape.group = group;
    shape.num_kv_heads = 1 + group % 2;
    shape.with_sinks = true;
    shape.with_lse = group % 3 != 0;
    shape.num_padding_rows = group % 2;
    shape.sequences = {{1, 90}, {3, 75}, {1, 16}};
    run_both(shape, random);
  }
}
