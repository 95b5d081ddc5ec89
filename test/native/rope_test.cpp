#include "backends.h"
#include "check.h"
#include "values.h"

namespace {

struct RopeShape {
  DType dtype;
  i32 head_dim, rotary_dim;
  bool with_norm;
};

constexpr i32 kHeads = 5, kKvHeads = 2, kTokens = 21, kPositions = 300, kBlockSize = 16;
constexpr f32 kEps = 1e-5f;

struct RopeInputs {
  std::vector<f32> qkv, cos_sin, q_norm, k_norm;
  std::vector<i32> positions, slots;

  RopeInputs(Random& random, const RopeShape& shape) {
    qkv = random.uniforms(size_t(kTokens) * (kHeads + 2 * kKvHeads) * size_t(shape.head_dim), 2.0f);
    cos_sin = random.uniforms(size_t(kPositions) * size_t(shape.rotary_dim));
    q_norm = random.uniforms(size_t(shape.head_dim));
    k_norm = random.uniforms(size_t(shape.head_dim));
    for (i32 t = 0; t < kTokens; ++t) {
      positions.push_back(random.below(kPositions));
      slots.push_back(t % 5 == 3 ? -1 : kTokens + 7 - t);
    }
  }
};

KvCacheView cache_view(const RopeShape& shape) {
  KvCacheView view = {};
  view.head_stride = i64(kBlockSize) * shape.head_dim * i64(elem_bytes(shape.dtype));
  view.value_stride = view.head_stride * kKvHeads;
  view.layer_stride = view.value_stride * 2;
  view.block_stride = view.layer_stride;
  view.num_blocks = 2;
  view.block_size = kBlockSize;
  view.num_layers = 1;
  view.num_kv_heads = kKvHeads;
  view.head_dim = shape.head_dim;
  view.dtype = shape.dtype;
  return view;
}

// q, then the keys and values read back from the slots.
std::vector<f32> run_rope(Backend& backend, const RopeShape& shape, const RopeInputs& inputs) {
  const size_t dim = size_t(shape.head_dim);
  const size_t q_elems = kTokens * kHeads * dim, kv_elems = kTokens * kKvHeads * dim;
  std::vector<f32> result(q_elems + 2 * kv_elems, NAN);
  KvCacheView cache = cache_view(shape);
  std::vector<u8> bytes(size_t(cache.block_stride) * 2, 0xff);
  cache.data = bytes.data();
  check_ok(backend.rope_and_write_kv({.q_out = result.data(),
                                      .qkv = inputs.qkv.data(),
                                      .cos_sin = inputs.cos_sin.data(),
                                      .positions = inputs.positions.data(),
                                      .q_norm = shape.with_norm ? inputs.q_norm.data() : nullptr,
                                      .k_norm = shape.with_norm ? inputs.k_norm.data() : nullptr,
                                      .norm_eps = kEps,
                                      .norm_weight_offset = 1.0f,
                                      .cache = cache,
                                      .layer = 0,
                                      .slot_mapping = inputs.slots.data(),
                                      .num_tokens = kTokens,
                                      .num_heads = kHeads,
                                      .rotary_dim = shape.rotary_dim,
                                      .max_positions = kPositions}));
  check_ok(backend.read_kv({.cache = cache,
                            .layer = 0,
                            .key = result.data() + q_elems,
                            .value = result.data() + q_elems + kv_elems,
                            .slots = inputs.slots.data(),
                            .num_slots = kTokens}));
  return result;
}

// One head normalised and rotated in double precision.
std::vector<double> reference_head(const RopeShape& shape, const f32* head, const f32* norm,
                                   const f32* cos_sin) {
  const size_t dim = size_t(shape.head_dim), half = size_t(shape.rotary_dim) / 2;
  std::vector<double> x(head, head + dim);
  if (norm != nullptr) {
    double squares = 0;
    for (const double value : x) squares += value * value;
    const double inverse = 1.0 / std::sqrt(squares / double(dim) + double(kEps));
    for (size_t d = 0; d < dim; ++d) x[d] *= inverse * (1.0 + double(norm[d]));
  }
  for (size_t d = 0; d < half; ++d) {
    const double a = x[d], b = x[d + half];
    const double cos = double(cos_sin[d]), sin = double(cos_sin[half + d]);
    x[d] = a * cos - b * sin;
    x[d + half] = b * cos + a * sin;
  }
  return x;
}

void check_near(f32 actual, double expected, double relative, const char* what) {
  const double limit = relative * std::max(std::abs(expected), 1.0) + 1e-6;
  if (std::abs(double(actual) - expected) <= limit) return;
  check::fail(__FILE__, __LINE__, check::text(what, " is ", actual, "; expected ", expected));
}

void check_shape(Random& random, const RopeShape& shape) {
  const check::Case description(check::text(dtype_name(shape.dtype), ", head_dim ", shape.head_dim,
                                            ", rotary_dim ", shape.rotary_dim));
  const RopeInputs inputs(random, shape);
  const std::vector<f32> result =
      same_on_all_backends([&](Backend& backend) { return run_rope(backend, shape, inputs); });
  const size_t dim = size_t(shape.head_dim);
  for (size_t t = 0; t < kTokens; ++t) {
    const f32* row = inputs.qkv.data() + t * (kHeads + 2 * kKvHeads) * dim;
    const f32* cos_sin = inputs.cos_sin.data() + inputs.positions[t] * shape.rotary_dim;
    for (size_t head = 0; head < kHeads + kKvHeads; ++head) {
      const bool is_key = head >= kHeads;
      const f32* norm = is_key ? inputs.k_norm.data() : inputs.q_norm.data();
      const std::vector<double> expected =
          reference_head(shape, row + head * dim, shape.with_norm ? norm : nullptr, cos_sin);
      const size_t at = is_key ? kTokens * kHeads * dim + (t * kKvHeads + head - kHeads) * dim
                               : (t * kHeads + head) * dim;
      const bool unwritten = is_key && inputs.slots[t] < 0;
      for (size_t d = 0; d < dim; ++d) {
        check_near(result[at + d], unwritten ? 0.0 : expected[d],
                   is_key ? unit_roundoff(shape.dtype) * 1.01 : 1e-6, is_key ? "k" : "q");
      }
    }
    for (size_t i = 0; i < kKvHeads * dim; ++i) {
      const f32 value = row[(kHeads + kKvHeads) * dim + i];
      check_near(result[kTokens * (kHeads + kKvHeads) * dim + t * kKvHeads * dim + i],
                 inputs.slots[t] < 0 ? 0.0 : double(value), unit_roundoff(shape.dtype) * 1.01, "v");
    }
  }
}

}  // namespace

TEST(
    "ropeAndWriteKv rotates, normalises and scatters as double loops do, with the same bits "
    "everywhere") {
  Random random(41);
  for (const RopeShape& shape : {RopeShape{kF32, 64, 64, false},
                                 {kF32, 80, 20, true},
                                 {kF16, 96, 96, true},
                                 {kBF16, 128, 64, false},
                                 {kBF16, 256, 256, true}}) {
    check_shape(random, shape);
  }
}
