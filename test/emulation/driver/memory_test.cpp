// Memory of the GPU, and weights in it.

#include <algorithm>

#include "../../../cuda/matmul_params.h"
#include "cuda_fixture.h"

namespace {

bool all_are(const std::vector<u8>& bytes, u8 byte) {
  return std::all_of(bytes.begin(), bytes.end(), [byte](u8 found) { return found == byte; });
}

}  // namespace

TEST("device memory is 256-byte aligned and zeroed at every size, and can be filled") {
  const std::unique_ptr<Backend> backend = open_gpu();
  for (const size_t bytes : {size_t(1), size_t(255), size_t(256), size_t(4097), size_t(3) << 20}) {
    const DeviceBytes memory(*backend, bytes);
    CHECK_EQUAL(reinterpret_cast<size_t>(memory.as<u8>()) % 256, size_t(0));
    CHECK(all_are(memory.read<u8>(bytes), 0));
    check_ok(backend->fill(memory.as<u8>(), 0x5a, bytes));
    CHECK(all_are(memory.read<u8>(bytes), 0x5a));
    check_ok(backend->fill(memory.as<u8>(), 0, bytes));
    CHECK(all_are(memory.read<u8>(bytes), 0));
  }
}

TEST("the budget is what can be held at a time, and comes back with what is freed") {
  CudaOptions options = emulated_options();
  options.max_bytes = size_t{1} << 20;
  const std::unique_ptr<Backend> backend = open_gpu(options);
  void* const half = backend->allocate(512 << 10, false);
  CHECK(half != nullptr);
  CHECK(backend->allocate((512 << 10) + 1, false) == nullptr);
  CHECK(backend->allocate(~size_t{0}, false) == nullptr);
  void* const rest = backend->allocate((512 << 10) - 256, false);
  CHECK(rest != nullptr);
  CHECK(backend->allocate(257, false) == nullptr);
  void* const last = backend->allocate(1, false);
  CHECK(last != nullptr);
  CHECK(backend->allocate(1, false) == nullptr);
  backend->free(half, 512 << 10);
  void* const again = backend->allocate(512 << 10, true);
  CHECK(again != nullptr);
  for (const auto& [data, bytes] :
       {std::pair<void*, size_t>{rest, (512 << 10) - 256}, {last, 1}, {again, 512 << 10}}) {
    backend->free(data, bytes);
  }
  backend->free(nullptr, 100);
  CHECK_EQUAL(emulated_driver().bytes_held(), i64(0));
}

TEST("a GPU without memory gives null and goes on") {
  const Variable memory("PA_EMULATED_MEMORY_BYTES", "1000000");
  const std::unique_ptr<Backend> backend = open_gpu();
  CHECK(backend->allocate(2000000, false) == nullptr);
  const DeviceBytes bytes(*backend, 1000);
  CHECK(all_are(bytes.read<u8>(1000), 0));
  emulated_driver().fail("cuMemHostAlloc", 1, cuda::kCuOutOfMemory);
  CHECK(backend->allocate_host(100) == nullptr);
}

TEST("what is still held when a device closes is given back") {
  std::unique_ptr<Backend> backend = open_gpu();
  CHECK(backend->allocate(1000, false) != nullptr);
  CHECK(backend->allocate(5 << 20, true) != nullptr);
  backend.reset();
  CHECK_EQUAL(emulated_driver().num_leaks(), i64(0));
}

TEST("host memory for transfers is zeroed and the caller's until it is freed") {
  const std::unique_ptr<Backend> backend = open_gpu();
  u8* const data = static_cast<u8*>(backend->allocate_host(10000));
  CHECK(data != nullptr && std::all_of(data, data + 10000, [](u8 byte) { return byte == 0; }));
  std::fill_n(data, 10000, u8(7));
  backend->free_host(data, 10000);
  backend->free_host(nullptr, 0);
}

TEST("weights of every source are stacked, rounded to nearest even and padded with zeros") {
  const std::unique_ptr<Backend> backend = open_gpu();
  CHECK(backend->supports_weights(kBF16) && backend->supports_weights(kF16));
  CHECK(!backend->supports_weights(kF32) && !backend->supports_cache(kF32));
  Random random(5);
  for (const DType dtype : {kBF16, kF16}) {
    for (const i32 in_dim : {1, 7, 8, 9, 64, 1000}) {
      const check::Case which(check::text(dtype_name(dtype), " ", in_dim));
      const FloatArray a(kF32, random.uniforms(size_t(3 * in_dim), 4.0f));
      const FloatArray b(kBF16, random.uniforms(size_t(5 * in_dim)));
      const FloatArray c(kF16, random.uniforms(size_t(2 * in_dim)));
      const WeightPart parts[] = {{a.data(), 3, kF32}, {b.data(), 5, kBF16}, {c.data(), 2, kF16}};
      const size_t bytes = backend->packed_bytes(dtype, 10, in_dim);
      const i64 pitch = matmul_weight_pitch(in_dim);
      CHECK_EQUAL(bytes, size_t(10 * pitch * 2));
      const DeviceBytes packed(*backend, bytes);
      check_ok(backend->fill(packed.as<u8>(), 0xff, bytes));
      check_ok(backend->pack_weight(packed.as<u8>(), dtype, in_dim, parts, 3));

      FloatArray expected(dtype, size_t(10 * pitch));
      for (i32 row = 0; row < 10; ++row) {
        const FloatArray& part = row < 3 ? a : row < 8 ? b : c;
        const i32 part_row = row < 3 ? row : row < 8 ? row - 3 : row - 8;
        for (i32 k = 0; k < in_dim; ++k) {
          expected.set(size_t(row * pitch + k), part[size_t(part_row * in_dim + k)]);
        }
      }
      CHECK(packed.read<u8>(bytes) == expected.bytes());
    }
  }
}

TEST("a weight larger than the staging memory arrives whole") {
  const std::unique_ptr<Backend> backend = open_gpu();
  constexpr i32 kOut = 3000, kIn = 1001;
  const Delays delays(300);
  const FloatArray rows(kBF16, Random(6).uniforms(size_t(kOut) * kIn));
  const WeightPart part = {rows.data(), kOut, kBF16};
  const DeviceBytes packed(*backend, backend->packed_bytes(kBF16, kOut, kIn));
  check_ok(backend->pack_weight(packed.as<u8>(), kBF16, kIn, &part, 1));
  const std::vector<u16> found = packed.read<u16>(size_t(kOut) * 1008);
  const u16* const sent = static_cast<const u16*>(rows.data());
  bool is_equal = true;
  for (size_t row = 0; row < kOut; ++row) {
    is_equal = is_equal && std::equal(sent + row * kIn, sent + (row + 1) * kIn, &found[row * 1008]);
    is_equal = is_equal && std::all_of(&found[row * 1008 + kIn], &found[row * 1008 + 1007] + 1,
                                       [](u16 value) { return value == 0; });
  }
  CHECK(is_equal);
}

TEST("a weight of a dtype without kernels is refused by name") {
  const std::unique_ptr<Backend> backend = open_gpu();
  const f32 value = 1;
  const WeightPart part = {&value, 1, kF32};
  const DeviceBytes packed(*backend, 16);
  check_says(backend->pack_weight(packed.as<u8>(), kF32, 1, &part, 1), "ERR_UNSUPPORTED_DTYPE",
             {"bf16 or f16"});
}
