// write_kv and read_kv against plain loops over slots, the whole pool compared byte for byte.

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

std::vector<Layout> layouts() {
  std::vector<Layout> all;
  const i32 heads[] = {1, 2, 8};
  for (const DType dtype : {kBF16, kF16}) {
    for (const i32 head_dim : {64, 80, 96, 128, 256}) {
      for (const i32 block_size : {8, 16, 32, 64, 128, 256}) {
        const i32 num_heads = block_size * head_dim > 16384 ? 2 : heads[all.size() % 3];
        all.push_back({dtype, 3, block_size, 2, num_heads, head_dim});
      }
    }
  }
  return all;
}

// Keys and values of a step as a fused projection gives them: token t's heads stand together, with
// poison before the next token.
struct Rows {
  i32 num_kv_heads;
  i32 head_dim;
  i64 token_stride;
  std::vector<f32> values;  // key, then value of each token

  Rows(const Layout& layout, const std::vector<i32>& slots, f32 poison, Random& random)
      : num_kv_heads(layout.num_kv_heads),
        head_dim(layout.head_dim),
        token_stride(2 * i64(layout.num_kv_heads) * layout.head_dim + 4),
        values(slots.size() * size_t(token_stride), poison) {
    for (size_t t = 0; t < slots.size(); ++t) {
      if (slots[t] < 0) continue;  // a row that is written nowhere is not read either
      for (i64 i = 0; i + 4 < token_stride; ++i) {
        values[t * size_t(token_stride) + size_t(i)] = random.uniform(8.0f);
      }
    }
  }
  i64 value_offset() const { return i64(num_kv_heads) * head_dim; }
  std::vector<f32> row(size_t token, i32 head, bool is_value) const {
    const i64 at =
        i64(token) * token_stride + i64(head) * head_dim + (is_value ? value_offset() : 0);
    return std::vector<f32>(values.begin() + at, values.begin() + at + head_dim);
  }
};

WriteKvParams write_params(const KvCacheView& cache, const Rows& rows, const f32* data,
                           const i32* slots, i32 num_tokens) {
  return {.cache = cache,
          .layer = kLayer,
          .key = data,
          .value = data + rows.value_offset(),
          .token_stride = rows.token_stride,
          .slot_mapping = slots,
          .num_tokens = num_tokens};
}

void expect_rows(Pool& pool, const Rows& rows, const std::vector<i32>& slots) {
  for (size_t t = 0; t < slots.size(); ++t) {
    for (i32 head = 0; slots[t] >= 0 && head < rows.num_kv_heads; ++head) {
      pool.expect_row(slots[t], kLayer, head, false, rows.row(t, head, false));
      pool.expect_row(slots[t], kLayer, head, true, rows.row(t, head, true));
    }
  }
}

std::string kernel_of(const char* op, DType dtype) {
  return std::string(op) + "_" + dtype_name(dtype);
}

}  // namespace

TEST("write_kv puts every token's rounded rows into its slot and changes no other byte") {
  Random random(emulation::run_seed() + 1);
  EmulatedLauncher launcher;
  for (const Layout& layout : layouts()) {
    const check::Case in_case(kv_fixture::describe(layout));
    for (const f32 poison : emulation::kPoisons) {
      const i32 num_tokens = 1 + random.below(11);
      const std::vector<i32> slots = kv_fixture::draw_slots(layout, num_tokens, 4, random);
      const Rows rows(layout, slots, poison, random);
      Pool pool(layout, u8(random.below(256)));
      const DeviceArray<f32> values(rows.values);
      const DeviceArray<i32> slot_mapping(slots);
      check_ok(cuda::write_kv(launcher, write_params(pool.view(), rows, values.data(),
                                                     slot_mapping.data(), num_tokens)));
      expect_rows(pool, rows, slots);
      pool.check();
    }
    emulation::note_exact_case(kernel_of("write_kv", layout.dtype));
  }
}

TEST("read_kv widens named slots exactly, reads none else, and gives zeros for -1") {
  Random random(emulation::run_seed() + 2);
  EmulatedLauncher launcher;
  for (const Layout& layout : layouts()) {
    const check::Case in_case(kv_fixture::describe(layout));
    Pool pool(layout, 0xff);
    std::vector<i32> slots = kv_fixture::draw_slots(layout, 9, 4, random);
    slots.push_back(slots[0]);  // a slot may be read twice
    const size_t row_elems = size_t(layout.num_kv_heads) * size_t(layout.head_dim);
    std::vector<f32> expected[2];
    for (std::vector<f32>& side : expected) side.assign(slots.size() * row_elems, 0.0f);
    for (size_t i = 0; i < slots.size(); ++i) {
      for (i32 part = 0; slots[i] >= 0 && part < 2; ++part) {
        for (i32 head = 0; head < layout.num_kv_heads; ++head) {
          std::vector<f32> row = random.uniforms(size_t(layout.head_dim), 8.0f);
          const FloatArray stored(layout.dtype, row);
          for (size_t d = 0; d < row.size(); ++d) row[d] = stored[d];
          pool.put_row(slots[i], kLayer, head, part == 1, row);
          for (size_t other = 0; other <= i; ++other) {
            if (slots[other] != slots[i]) continue;
            std::copy(
                row.begin(), row.end(),
                expected[part].begin() + i64(other * row_elems) + i64(head) * layout.head_dim);
          }
        }
      }
    }
    const DeviceArray<f32> key(slots.size() * row_elems), value(slots.size() * row_elems);
    const DeviceArray<i32> slot_array(slots);
    check_ok(cuda::read_kv(launcher, {.cache = pool.view(),
                                      .layer = kLayer,
                                      .key = key.data(),
                                      .value = value.data(),
                                      .slots = slot_array.data(),
                                      .num_slots = i32(slots.size())}));
    const std::vector<f32> keys = key.download(), values = value.download();
    CHECK(keys == expected[0] && values == expected[1]);
    pool.check();
    emulation::note_exact_case(kernel_of("read_kv", layout.dtype));
  }
}

TEST("one captured write_kv is right for 50 random slot vectors, an empty one included") {
  Random random(emulation::run_seed() + 3);
  EmulatedLauncher launcher;
  constexpr i32 kBucket = 16;
  const Layout layout = {kBF16, 6, 16, 2, 2, 64};
  Pool pool(layout, 0x7f);
  DeviceArray<i32> slot_mapping(std::vector<i32>(kBucket, -1));
  const std::vector<i32> every(kBucket, 0);
  const Rows shape(layout, every, 0.0f, random);
  DeviceArray<f32> values(shape.values.size());
  const WriteKvParams captured =
      write_params(pool.view(), shape, values.data(), slot_mapping.data(), kBucket);
  for (i32 replay = 0; replay < 50; ++replay) {
    const i32 num_real = replay == 0 ? 0 : random.below(kBucket + 1);
    std::vector<i32> slots = kv_fixture::draw_slots(layout, kBucket, 0, random);
    for (i32 t = 0; t < kBucket; ++t) {
      if (t >= num_real) slots[size_t(t)] = -1;
    }
    if (num_real > 1)
      slots[0] = layout.block_size - 1;  // the last of a block, the first of another
    if (num_real > 1) slots[1] = layout.block_size;
    for (i32 t = 2; t < num_real; ++t) {
      if (slots[size_t(t)] == slots[0] || slots[size_t(t)] == slots[1]) slots[size_t(t)] = -1;
    }
    const Rows rows(layout, slots, emulation::kPoisons[replay % 2], random);
    values.upload(rows.values);
    slot_mapping.upload(slots);
    check_ok(cuda::write_kv(launcher, captured));
    expect_rows(pool, rows, slots);
    pool.check();
  }
}

TEST("write_kv and read_kv reach slots past 2^31 elements and 2^32 bytes") {
  EmulatedLauncher launcher;
  Layout layout = {kF16, 1, 256, 8, 8, 256};
  const i64 stride = kv_fixture::view_of(layout, nullptr).block_stride;  // 16 MiB
  layout.num_blocks = i32((i64{3} << 32) / stride);
  emulation::DeviceBytes memory(size_t(stride) * size_t(layout.num_blocks));
  const KvCacheView cache = kv_fixture::view_of(layout, memory.data());
  const i32 slot = layout.num_blocks * layout.block_size - 1;
  CHECK(i64(slot) * layout.head_dim * layout.num_kv_heads * 16 > i64{1} << 31);

  Random random(emulation::run_seed() + 4);
  const std::vector<i32> slots = {slot, slot / 2, -1};
  const Rows rows(layout, slots, 0.0f, random);
  const DeviceArray<f32> values(rows.values);
  const DeviceArray<i32> slot_array(slots);
  check_ok(
      cuda::write_kv(launcher, write_params(cache, rows, values.data(), slot_array.data(), 3)));
  const size_t row_elems = size_t(layout.num_kv_heads) * size_t(layout.head_dim);
  const DeviceArray<f32> key(3 * row_elems), value(3 * row_elems);
  check_ok(cuda::read_kv(launcher, {.cache = cache,
                                    .layer = kLayer,
                                    .key = key.data(),
                                    .value = value.data(),
                                    .slots = slot_array.data(),
                                    .num_slots = 3}));
  const std::vector<f32> read = value.download();
  for (size_t i = 0; i < 2; ++i) {
    const i32 head = layout.num_kv_heads - 1;
    const std::vector<f32> last_row = rows.row(i, head, true);
    const FloatArray expected(layout.dtype, last_row);
    // Where both wrapped around alike, what is read is what was written.
    const i64 at = slots[i] / layout.block_size * stride + kLayer * cache.layer_stride +
                   cache.value_stride + head * cache.head_stride +
                   slots[i] % layout.block_size * layout.head_dim * 2;
    CHECK(std::memcmp(memory.data() + at, expected.data(), expected.bytes().size()) == 0);
    for (size_t d = 0; d < last_row.size(); ++d) {
      CHECK_EQUAL(read[i * row_elems + row_elems - last_row.size() + d], expected[d]);
    }
  }
}

TEST("write_kv and read_kv launch nothing for nothing and refuse caches without a kernel") {
  EmulatedLauncher launcher;
  Layout layout = {kBF16, 2, 8, 2, 1, 64};
  Pool pool(layout, 0xff);
  WriteKvParams params = {};
  params.cache = pool.view();
  check_ok(cuda::write_kv(launcher, params));
  CHECK_EQUAL(launcher.num_launches(), 0);
  params.num_tokens = 1;
  params.cache.dtype = kF32;
  kv_fixture::check_refused(cuda::write_kv(launcher, params), "ERR_UNSUPPORTED_DTYPE", "bf16");
  params.cache.dtype = kBF16;
  params.cache.head_dim = 68;
  kv_fixture::check_refused(cuda::write_kv(launcher, params), "ERR_NATIVE", "head_dim is 68");
  params.cache.head_dim = 264;
  kv_fixture::check_refused(cuda::write_kv(launcher, params), "ERR_NATIVE", "up to 256");
  params.cache = pool.view();
  params.token_stride = 66;
  kv_fixture::check_refused(cuda::write_kv(launcher, params), "ERR_NATIVE", "token_stride is 66");
  params.token_stride = 64;
  params.num_tokens = 1 << 30;
  params.cache.num_kv_heads = 2;
  kv_fixture::check_refused(cuda::write_kv(launcher, params), "ERR_NATIVE", "fewer than 2^31");
  params.key = reinterpret_cast<const f32*>(4);
  kv_fixture::check_refused(cuda::write_kv(launcher, params), "ERR_NATIVE", "not 16-byte aligned");
  params.cache.head_stride += 8;
  kv_fixture::check_refused(cuda::write_kv(launcher, params), "ERR_NATIVE", "strides");
}
