// pagedAttention against double-precision loops, over shapes.

#include "../../../addon/cuda/attention_op.h"
#include "attention_run.h"
#include "pairwise.h"

using namespace attention_case;
using emulation::EmulatedLauncher;

namespace {

std::string kernel_name(const Shape& shape, const char* kernel, const char* suffix = "") {
  return check::text("paged_attention_", kernel, "_", dtype_name(shape.dtype), "_d", shape.head_dim,
                     suffix);
}

void run_case(const Shape& shape, Random& random, const char* kernel, bool is_deterministic) {
  const check::Case scope(shape.text());
  const Values values(random, shape);
  EmulatedLauncher launcher(is_deterministic);
  Placement placement;
  placement.seed = random.next();
  placement.poison = emulation::kPoisons[random.below(2)];
  const Result result = attend(launcher, shape, values, placement);
  check_result(shape, values, result,
               kernel_name(shape, kernel, is_deterministic && *kernel == 'd' ? "_fixed" : ""));
}

constexpr DType kCacheTypes[] = {kBF16, kF16};
constexpr DType kOutTypes[] = {kF32, kF16, kBF16};
constexpr i32 kHeadDims[] = {64, 80, 96, 128, 256};
constexpr i32 kGroups[] = {1, 2, 4, 7, 8};
constexpr i32 kBlockSizes[] = {8, 16, 32, 256};
constexpr i32 kWindows[] = {-1, 0, 1, 63, 200, 0x7fffffff};
constexpr f32 kSoftcaps[] = {0.0f, 5.0f, 30.0f};
constexpr Content kContents[] = {Content::kEdges, Content::kLarge, Content::kNeedle};
// Context lengths; -1, -2 and -3 stand for the block size, one less and one more.
constexpr i32 kLengths[] = {0, 1, -2, -1, -3, 63, 64, 65, 333, 1000, 1025};

i32 length_of(i32 code, i32 block_size) {
  return code >= 0 ? code : code == -1 ? block_size : code == -2 ? block_size - 1 : block_size + 1;
}

// Every pair of dtype, head_dim, group, block size, length and window; the rest at random.
template <class Run>
void for_shapes(u64 salt, const Run& run) {
  Random random(emulation::run_seed() + salt);
  const std::vector<i32> axes = {2,
                                 i32(std::size(kHeadDims)),
                                 i32(std::size(kGroups)),
                                 i32(std::size(kBlockSizes)),
                                 i32(std::size(kLengths)),
                                 i32(std::size(kWindows))};
  for (const std::vector<i32>& at : emulation::shape_cover(axes, random)) {
    Shape shape;
    shape.dtype = kCacheTypes[at[0]];
    shape.out_dtype = kOutTypes[random.below(3)];
    shape.head_dim = kHeadDims[at[1]];
    shape.group = kGroups[at[2]];
    shape.num_kv_heads = 1 + random.below(2);
    shape.block_size = kBlockSizes[at[3]];
    shape.window = kWindows[at[5]];
    shape.softcap = kSoftcaps[random.below(3)];
    shape.with_sinks = random.below(2) == 1;
    shape.with_lse = random.below(4) != 0;
    shape.content = kContents[random.below(3)];
    run(shape, length_of(kLengths[at[4]], shape.block_size), random);
  }
}

}  // namespace

TEST("attention decodes one row per sequence at every length, and pads the batch") {
  for_shapes(1, [](Shape& shape, i32 length, Random& random) {
    shape.sequences = {{1, 77}, {std::min(1, length), length}, {1, shape.block_size}};
    shape.num_padding_rows = 2;
    shape.num_padding_seqs = 2;
    run_case(shape, random, "decode", false);
  });
}

TEST("attention prefills a chunk over a cached prefix, and whole prompts") {
  for_shapes(2, [](Shape& shape, i32 length, Random& random) {
    const i32 num_rows = length <= 70 ? length : 1 + random.below(24);
    shape.sequences = {{num_rows, length}, {17, 17}};
    run_case(shape, random, "prefill", false);
  });
}

TEST("attention of a mixed batch: rows before position 0, empty sequences and padding give zeros") {
  for_shapes(3, [](Shape& shape, i32 length, Random& random) {
    shape.sequences = {{std::min(9, length), length},
                       {13, 13},
                       {1, shape.block_size},
                       {2, shape.block_size + 2},
                       {1, 77},
                       {0, 20},
                       {0, 0},
                       {2, 0},
                       {3, 2}};
    shape.num_padding_rows = 3;
    run_case(shape, random, "prefill", false);
  });
}

TEST("attention in deterministic mode is as exact, in decode and in prefill") {
  for_shapes(4, [](Shape& shape, i32 length, Random& random) {
    shape.sequences = {{1, 77}, {std::min(1, length), length}};
    run_case(shape, random, "decode", true);
    shape.sequences = {{std::min(20, length), length}, {1, 70}};
    run_case(shape, random, "prefill", true);
  });
}
