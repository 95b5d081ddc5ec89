#pragma once
// A KV cache for kernel tests: poison everywhere, and a copy on the host that says which bytes a
// kernel may have changed.

#include <numeric>

#include "../device_array.h"

namespace kv_fixture {

struct Layout {
  DType dtype;
  i32 num_blocks;
  i32 block_size;
  i32 num_layers;
  i32 num_kv_heads;
  i32 head_dim;
};

inline std::string describe(const Layout& o) {
  return check::text(dtype_name(o.dtype), " blocks ", o.num_blocks, " of ", o.block_size,
                     ", layers ", o.num_layers, ", kv heads ", o.num_kv_heads, ", head_dim ",
                     o.head_dim);
}

// Strides with gaps between heads, K and V, layers and blocks, so that a wrong one shows.
inline KvCacheView view_of(const Layout& o, void* data) {
  KvCacheView view = {};
  view.data = data;
  view.head_stride = i64(o.block_size) * o.head_dim * 2 + 16;
  view.value_stride = view.head_stride * o.num_kv_heads + 32;
  view.layer_stride = view.value_stride * 2 + 48;
  view.block_stride = view.layer_stride * o.num_layers + 64;
  view.num_blocks = o.num_blocks;
  view.block_size = o.block_size;
  view.num_layers = o.num_layers;
  view.num_kv_heads = o.num_kv_heads;
  view.head_dim = o.head_dim;
  view.dtype = o.dtype;
  return view;
}

class Pool {
 public:
  // Every byte is `poison`: 0xff is NaN in both dtypes.
  Pool(const Layout& layout, u8 poison)
      : bytes_(size_t(view_of(layout, nullptr).block_stride) * size_t(layout.num_blocks), poison),
        memory_(bytes_.size()),
        view_(view_of(layout, memory_.data())) {
    memory_.upload(bytes_.data(), bytes_.size());
  }

  const KvCacheView& view() const { return view_; }

  // Where the [head_dim] elements of a slot lie, from byte 0 of the pool.
  size_t row_at(i32 slot, i32 layer, i32 head, bool is_value) const {
    const i64 block = slot / view_.block_size;
    const i64 offset = slot % view_.block_size;
    return size_t(block * view_.block_stride + layer * view_.layer_stride +
                  (is_value ? view_.value_stride : 0) + head * view_.head_stride +
                  offset * view_.head_dim * 2);
  }
  const u8* actual(size_t at) const { return reinterpret_cast<const u8*>(memory_.data()) + at; }

  // What the kernel should leave there.
  void expect(size_t at, const void* bytes, size_t count) {
    std::memcpy(bytes_.data() + at, bytes, count);
  }
  void expect_row(i32 slot, i32 layer, i32 head, bool is_value, const std::vector<f32>& row) {
    const FloatArray stored(view_.dtype, row);
    expect(row_at(slot, layer, head, is_value), stored.data(), stored.bytes().size());
  }
  // Puts the row there before the kernel runs.
  void put_row(i32 slot, i32 layer, i32 head, bool is_value, const std::vector<f32>& row) {
    expect_row(slot, layer, head, is_value, row);
    const size_t at = row_at(slot, layer, head, is_value);
    memory_.upload(bytes_.data() + at, row.size() * 2, at);
  }
  void check() const {
    const auto differs = std::mismatch(bytes_.begin(), bytes_.end(), actual(0));
    if (differs.first == bytes_.end()) return;
    check::fail(__FILE__, __LINE__,
                check::text("byte ", differs.first - bytes_.begin(), " of the pool is ",
                            int(*differs.second), "; expected ", int(*differs.first)));
  }

 private:
  std::vector<u8> bytes_;
  emulation::DeviceBytes memory_;
  KvCacheView view_;
};

// 0 … count - 1 in random order.
inline std::vector<i32> shuffled(i32 count, Random& random) {
  std::vector<i32> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[size_t(random.below(i32(i)))]);
  }
  return order;
}

// Distinct slots of all blocks, about one in `skip` of them -1 (none where it is 0).
inline std::vector<i32> draw_slots(const Layout& layout, i32 num_tokens, i32 skip, Random& random) {
  std::vector<i32> slots = shuffled(layout.num_blocks * layout.block_size, random);
  slots.resize(size_t(num_tokens));
  for (i32& slot : slots) {
    if (skip > 0 && random.below(skip) == 0) slot = -1;
  }
  return slots;
}

inline void check_ok(const Status& status) {
  if (!status.is_ok()) check::fail(__FILE__, __LINE__, status.message());
}
inline void check_refused(const Status& status, const std::string& code, const std::string& words) {
  if (!status.is_ok() && status.code() == code &&
      status.message().find(words) != std::string::npos) {
    return;
  }
  check::fail(__FILE__, __LINE__,
              check::text("expected ", code, " with '", words, "'; got ",
                          status.is_ok() ? "no error" : status.code() + (": " + status.message())));
}

}  // namespace kv_fixture
