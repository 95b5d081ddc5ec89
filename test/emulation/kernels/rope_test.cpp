// rope_and_write_kv against a double reference; what it may not touch is compared byte for byte.

#include <cmath>

#include "../../../addon/cuda/ops.h"
#include "../compare.h"
#include "../emulated_launcher.h"
#include "kv_fixture.h"

namespace {

using emulation::DeviceArray;
using emulation::EmulatedLauncher;
using kv_fixture::check_ok;
using kv_fixture::Layout;
using kv_fixture::Pool;

constexpr i32 kLayer = 1;
constexpr i32 kMaxPositions = 300;
constexpr double kArithmetic = 16 * 0x1p-24;  // of the largest element: test/tolerances.ts

struct Shape {
  Layout layout;
  i32 group;
  i32 rotary_dim;
  bool has_q_norm;
  bool has_k_norm;
  f32 weight_offset;

  i32 num_heads() const { return group * layout.num_kv_heads; }
  size_t row_elems() const {
    return size_t(num_heads() + 2 * layout.num_kv_heads) * size_t(layout.head_dim);
  }
};

std::string describe(const Shape& shape) {
  return check::text(kv_fixture::describe(shape.layout), ", group ", shape.group, ", rotary_dim ",
                     shape.rotary_dim, ", norms ", shape.has_q_norm, shape.has_k_norm, ", offset ",
                     shape.weight_offset);
}

// Everything a step needs; rows of qkv whose results go nowhere are poison.
struct Inputs {
  std::vector<f32> qkv, cos_sin, q_norm, k_norm;
  std::vector<i32> positions, slots;

  Inputs(const Shape& shape, const std::vector<i32>& slot_mapping, f32 poison, Random& random)
      : qkv(random.uniforms(slot_mapping.size() * shape.row_elems(), 2.0f)),
        cos_sin(size_t(kMaxPositions) * size_t(shape.rotary_dim)),
        q_norm(random.uniforms(size_t(shape.layout.head_dim), 2.0f)),
        k_norm(random.uniforms(size_t(shape.layout.head_dim), 2.0f)),
        slots(slot_mapping) {
    const i32 half = shape.rotary_dim / 2;
    for (i32 p = 0; p < kMaxPositions; ++p) {
      for (i32 pair = 0; pair < half; ++pair) {
        const double angle = p * std::pow(10000.0, -2.0 * pair / shape.rotary_dim);
        cos_sin[size_t(p * shape.rotary_dim + pair)] = f32(std::cos(angle));
        cos_sin[size_t(p * shape.rotary_dim + half + pair)] = f32(std::sin(angle));
      }
    }
    const size_t kv_elems = 2 * size_t(shape.layout.num_kv_heads) * size_t(shape.layout.head_dim);
    for (size_t t = 0; t < slots.size(); ++t) {
      positions.push_back(t == 0 ? kMaxPositions - 1 : random.below(kMaxPositions));
      if (slots[t] >= 0) continue;
      std::fill_n(qkv.begin() + i64((t + 1) * shape.row_elems() - kv_elems), kv_elems, poison);
    }
  }
};

// A head's row, normalised where `norm` is given, and rotated.
std::vector<double> reference_row(const Shape& shape, const Inputs& in, size_t token, i32 head,
                                  const std::vector<f32>* norm) {
  const size_t head_dim = size_t(shape.layout.head_dim);
  const f32* const from = in.qkv.data() + token * shape.row_elems() + size_t(head) * head_dim;
  std::vector<double> x(from, from + head_dim);
  if (norm != nullptr) {
    double squares = 0;
    for (const double element : x) squares += element * element;
    const double rms = std::sqrt(squares / double(head_dim) + double(1e-6f));
    for (size_t d = 0; d < head_dim; ++d) {
      x[d] = x[d] / rms * (double(shape.weight_offset) + double((*norm)[d]));
    }
  }
  const size_t half = size_t(shape.rotary_dim) / 2;
  const f32* const turn = in.cos_sin.data() + size_t(in.positions[token] * shape.rotary_dim);
  std::vector<double> out = x;
  for (size_t pair = 0; pair < half; ++pair) {
    const double cos = double(turn[pair]), sin = double(turn[half + pair]);
    out[pair] = x[pair] * cos - x[pair + half] * sin;
    out[pair + half] = x[pair + half] * cos + x[pair] * sin;
  }
  return out;
}

RopeAndWriteKvParams params_of(const Shape& shape, const KvCacheView& cache, i32 num_tokens) {
  RopeAndWriteKvParams params = {};
  params.norm_eps = 1e-6f;
  params.norm_weight_offset = shape.weight_offset;
  params.cache = cache;
  params.layer = kLayer;
  params.num_tokens = num_tokens;
  params.num_heads = shape.num_heads();
  params.rotary_dim = shape.rotary_dim;
  params.max_positions = kMaxPositions;
  return params;
}

double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::abs(value));
  return most;
}

// Compares q and the written rows, then the whole pool: what is within tolerance is expected there.
void check_results(const Shape& shape, const Inputs& in, const std::vector<f32>& q, Pool& pool) {
  const Layout& layout = shape.layout;
  const std::string kernel = std::string("rope_and_write_kv_") + dtype_name(layout.dtype);
  std::vector<double> expected_q, expected_keys;
  std::vector<f32> keys;
  for (size_t t = 0; t < in.slots.size(); ++t) {
    for (i32 head = 0; head < shape.num_heads(); ++head) {
      const std::vector<double> row =
          reference_row(shape, in, t, head, shape.has_q_norm ? &in.q_norm : nullptr);
      expected_q.insert(expected_q.end(), row.begin(), row.end());
    }
    for (i32 head = 0; in.slots[t] >= 0 && head < layout.num_kv_heads; ++head) {
      const std::vector<double> row = reference_row(shape, in, t, shape.num_heads() + head,
                                                    shape.has_k_norm ? &in.k_norm : nullptr);
      expected_keys.insert(expected_keys.end(), row.begin(), row.end());
      const size_t key_at = pool.row_at(in.slots[t], kLayer, head, false);
      FloatArray stored(layout.dtype, row.size());
      std::memcpy(stored.data(), pool.actual(key_at), row.size() * 2);
      for (size_t d = 0; d < row.size(); ++d) keys.push_back(stored[d]);
      pool.expect(key_at, pool.actual(key_at), row.size() * 2);
      const auto value = in.qkv.begin() + i64(t * shape.row_elems()) +
                         i64(shape.num_heads() + layout.num_kv_heads + head) * layout.head_dim;
      pool.expect_row(in.slots[t], kLayer, head, true,
                      std::vector<f32>(value, value + layout.head_dim));
    }
  }
  CHECK_CLOSE(kernel, q, expected_q, (emulation::Tolerance{kArithmetic * largest(expected_q), 0}));
  // One rounding; an exact tie may go the other way.
  CHECK_CLOSE(kernel, keys, expected_keys,
              (emulation::Tolerance{kArithmetic * largest(expected_keys) + 0x1p-24,
                                    1.25 * unit_roundoff(layout.dtype)}));
  pool.check();
}

void run_shape(EmulatedLauncher& launcher, const Shape& shape, i32 num_tokens, f32 poison,
               Random& random) {
  const check::Case in_case(describe(shape));
  const Inputs in(shape, kv_fixture::draw_slots(shape.layout, num_tokens, 3, random), poison,
                  random);
  Pool pool(shape.layout, u8(random.below(256)));
  const DeviceArray<f32> q(size_t(num_tokens * shape.num_heads() * shape.layout.head_dim));
  const DeviceArray<f32> qkv(in.qkv), cos_sin(in.cos_sin), q_norm(in.q_norm), k_norm(in.k_norm);
  const DeviceArray<i32> positions(in.positions), slots(in.slots);
  RopeAndWriteKvParams params = params_of(shape, pool.view(), num_tokens);
  params.q_out = q.data();
  params.qkv = qkv.data();
  params.cos_sin = cos_sin.data();
  params.positions = positions.data();
  if (shape.has_q_norm) params.q_norm = q_norm.data();
  if (shape.has_k_norm) params.k_norm = k_norm.data();
  params.slot_mapping = slots.data();
  check_ok(cuda::rope_and_write_kv(launcher, params));
  check_results(shape, in, q.download(), pool);
}

}  // namespace

TEST("rope_and_write_kv rotates and normalises q and k, scatters k and v, for every head_dim") {
  Random random(emulation::run_seed() + 11);
  EmulatedLauncher launcher;
  i32 count = 0;
  for (const DType dtype : {kBF16, kF16}) {
    for (const i32 head_dim : {64, 80, 96, 128, 256}) {
      // A rotation of 80 / 4 = 20 has pairs that no 16-byte vector holds whole.
      for (const i32 rotary_dim : {head_dim, head_dim / 2, head_dim / 4, 2, 0}) {
        for (const i32 group : {1, 4, 7}) {
          const i32 heads[] = {1, 2, 8}, sizes[] = {8, 16, 32, 64, 128, 256};
          const i32 size = sizes[count % 6];
          const Layout layout = {
              dtype, 2, size, 2, size * head_dim > 16384 ? 1 : heads[count % 3], head_dim};
          const Shape shape = {layout,         group,          rotary_dim,
                               count % 2 == 0, count % 4 >= 2, f32(count % 3 == 0)};
          run_shape(launcher, shape, 1 + random.below(5), emulation::kPoisons[count % 2], random);
          ++count;
        }
      }
    }
  }
}

TEST("one captured rope_and_write_kv is right for 50 random vectors of slots and positions") {
  Random random(emulation::run_seed() + 12);
  EmulatedLauncher launcher;
  constexpr i32 kBucket = 8;
  const Shape shape = {{kBF16, 5, 8, 2, 2, 64}, 2, 64, true, true, 0.0f};
  Pool pool(shape.layout, 0xff);
  DeviceArray<f32> q(size_t(kBucket * shape.num_heads() * 64));
  DeviceArray<f32> qkv(kBucket * shape.row_elems());
  DeviceArray<f32> cos_sin(size_t(kMaxPositions) * 64), q_norm(64), k_norm(64);
  DeviceArray<i32> positions(kBucket), slots(kBucket);
  RopeAndWriteKvParams captured = params_of(shape, pool.view(), kBucket);
  captured.q_out = q.data();
  captured.qkv = qkv.data();
  captured.cos_sin = cos_sin.data();
  captured.positions = positions.data();
  captured.q_norm = q_norm.data();
  captured.k_norm = k_norm.data();
  captured.slot_mapping = slots.data();
  for (i32 replay = 0; replay < 50; ++replay) {
    const i32 num_real = replay == 0 ? 0 : random.below(kBucket + 1);
    std::vector<i32> drawn = kv_fixture::draw_slots(shape.layout, kBucket, 0, random);
    std::fill(drawn.begin() + num_real, drawn.end(), -1);
    const Inputs in(shape, drawn, emulation::kPoisons[replay % 2], random);
    qkv.upload(in.qkv);
    cos_sin.upload(in.cos_sin);
    q_norm.upload(in.q_norm);
    k_norm.upload(in.k_norm);
    positions.upload(in.positions);
    slots.upload(in.slots);
    check_ok(cuda::rope_and_write_kv(launcher, captured));
    check_results(shape, in, q.download(), pool);
  }
}

TEST("a token's rows come out the same bits in any batch, place and slot") {
  Random random(emulation::run_seed() + 13);
  EmulatedLauncher launcher;
  const Shape shape = {{kF16, 4, 16, 2, 2, 96}, 3, 96, true, true, 1.0f};
  const Inputs in(shape, {5}, 0.0f, random);
  std::vector<f32> first;
  for (const i32 num_tokens : {1, 2, 9}) {
    Pool pool(shape.layout, 0xff);
    std::vector<f32> rows = random.uniforms(size_t(num_tokens) * shape.row_elems());
    const size_t last = size_t(num_tokens - 1);
    std::copy(in.qkv.begin(), in.qkv.end(), rows.begin() + i64(last * shape.row_elems()));
    std::vector<i32> all_positions(size_t(num_tokens), 3), all_slots(size_t(num_tokens), -1);
    all_positions[last] = in.positions[0];
    all_slots[last] = num_tokens * 6;
    const DeviceArray<f32> q(size_t(num_tokens * shape.num_heads() * 96));
    const DeviceArray<f32> qkv(rows), cos_sin(in.cos_sin), q_norm(in.q_norm), k_norm(in.k_norm);
    const DeviceArray<i32> positions(all_positions), slots(all_slots);
    RopeAndWriteKvParams params = params_of(shape, pool.view(), num_tokens);
    params.q_out = q.data();
    params.qkv = qkv.data();
    params.cos_sin = cos_sin.data();
    params.positions = positions.data();
    params.q_norm = q_norm.data();
    params.k_norm = k_norm.data();
    params.slot_mapping = slots.data();
    check_ok(cuda::rope_and_write_kv(launcher, params));
    const std::vector<f32> all = q.download();
    std::vector<f32> mine(all.end() - shape.num_heads() * 96, all.end());
    FloatArray key(kF16, 96);
    std::memcpy(key.data(), pool.actual(pool.row_at(num_tokens * 6, kLayer, 1, false)), 192);
    for (size_t d = 0; d < 96; ++d) mine.push_back(key[d]);
    if (first.empty()) first = mine;
    CHECK(mine == first);
  }
}

TEST("rope_and_write_kv refuses an odd rotation and an unaligned tensor") {
  EmulatedLauncher launcher;
  const Shape shape = {{kBF16, 1, 8, 2, 1, 64}, 1, 63, false, false, 0.0f};
  Pool pool(shape.layout, 0xff);
  RopeAndWriteKvParams params = params_of(shape, pool.view(), 1);
  kv_fixture::check_refused(cuda::rope_and_write_kv(launcher, params), "ERR_NATIVE",
                            "rotary_dim is 63");
  params.rotary_dim = 66;
  kv_fixture::check_refused(cuda::rope_and_write_kv(launcher, params), "ERR_NATIVE",
                            "rotary_dim is 66");
  params.rotary_dim = 64;
  params.k_norm = reinterpret_cast<const f32*>(8);
  kv_fixture::check_refused(cuda::rope_and_write_kv(launcher, params), "ERR_NATIVE", "aligned");
  CHECK_EQUAL(launcher.num_launches(), 0);
}
