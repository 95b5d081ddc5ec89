#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

#include "../../addon/cpu/cpu_features.h"
#include "../../addon/cpu/cpu_memory.h"
#include "attention_inputs.h"
#include "check.h"

namespace {

std::atomic<i64> num_allocations{0};

void* counted_new(size_t bytes) {
  num_allocations += 1;
  void* data = std::malloc(bytes > 0 ? bytes : 1);
  if (data == nullptr) std::abort();
  return data;
}

}  // namespace

void* operator new(size_t bytes) { return counted_new(bytes); }
void* operator new[](size_t bytes) { return counted_new(bytes); }
void operator delete(void* data) noexcept { std::free(data); }
void operator delete[](void* data) noexcept { std::free(data); }
void operator delete(void* data, size_t) noexcept { std::free(data); }
void operator delete[](void* data, size_t) noexcept { std::free(data); }

TEST("memory is 64-byte aligned and zeroed at every size, on huge pages too") {
  Backend& backend = best_backend();
  for (const bool huge : {false, true}) {
    for (const size_t bytes :
         {size_t(0), size_t(1), size_t(100), size_t(1) << 20, (size_t(5) << 20) + 77}) {
      u8* data = static_cast<u8*>(backend.allocate(bytes, huge));
      CHECK(data != nullptr);
      CHECK_EQUAL(reinterpret_cast<u64>(data) % 64, u64(0));
      CHECK(std::all_of(data, data + bytes, [](u8 byte) { return byte == 0; }));
      check_ok(backend.fill(data, 0x5a, bytes));
      CHECK(std::all_of(data, data + bytes, [](u8 byte) { return byte == 0x5a; }));
      backend.free(data, bytes);
    }
  }
}

TEST("more memory than there is gives null") {
  CHECK(best_backend().allocate(size_t(1) << 62, false) == nullptr);
  CHECK(best_backend().allocate(~size_t(0), true) == nullptr);
}

TEST("upload and download carry bytes unchanged") {
  Backend& backend = best_backend();
  const std::vector<u8> sent = {1, 2, 3, 250, 0, 7};
  std::vector<u8> received(sent.size());
  void* data = backend.allocate(sent.size(), false);
  check_ok(backend.upload(data, sent.data(), sent.size()));
  check_ok(backend.download(received.data(), data, sent.size()));
  CHECK(sent == received);
  backend.free(data, sent.size());
}

TEST("a scratch buffer grows and keeps its size afterwards") {
  cpu::ScratchBuffer buffer;
  void* first = buffer.require(1000);
  CHECK(first != nullptr);
  CHECK(buffer.require(10) == first);
  CHECK(buffer.require(3 << 20) != nullptr);
  void* large = buffer.require(3 << 20);
  CHECK(buffer.require(1000) == large);
}

TEST("an unknown instruction set is refused with the list of those there are") {
  Status status;
  CHECK(open_cpu_backend("sse9", 1, &status) == nullptr);
  CHECK_EQUAL(std::string(status.code()), "ERR_ISA_UNAVAILABLE");
  CHECK(status.message().find("portable") != std::string::npos);
}

TEST("threads 0 takes at least one and at most as many as there are processors") {
  Status status;
  const std::unique_ptr<Backend> backend = open_cpu_backend("auto", 0, &status);
  CHECK(status.is_ok());
  CHECK(backend->info().threads >= 1);
  CHECK(backend->info().threads <= int(std::thread::hardware_concurrency()));
  CHECK_EQUAL(backend->info().backend, "cpu");
  const std::vector<std::string> isas = cpu::available_isas();
  CHECK_EQUAL(backend->info().isa, isas.back());
}

TEST("matmul and attention allocate nothing once they are warm") {
  Random random(71);
  AttentionShape shape;
  shape.sequences = {{1, 2100}, {1, 30}, {20, 40}};
  const AttentionValues values(random, shape);
  const FloatArray x(kBF16, random.uniforms(30 * 128));
  const FloatArray weight(kBF16, random.uniforms(128 * 200));
  for (const OpenBackend& open : all_backends()) {
    Backend& backend = *open.backend;
    const TestWeight packed(backend, kBF16, 128, {{weight.data(), 200, kBF16}});
    std::vector<f32> out(30 * 200);
    const MatmulParams matmul = {out.data(), x.data(), packed.view(), nullptr, 30, kF32};
    check_ok(backend.matmul(matmul));
    const i64 before = num_allocations.load();
    check_ok(backend.matmul(matmul));
    CHECK_EQUAL(num_allocations.load(), before);
    attend_with(backend, shape, values, {}, [&](const PagedAttentionParams& params) {
      check_ok(backend.paged_attention(params));
      const i64 before_second = num_allocations.load();
      check_ok(backend.paged_attention(params));
      CHECK_EQUAL(num_allocations.load(), before_second);
    });
  }
}
