// Uploads and downloads: the caller's memory is its own again when a call returns.

#include "../../../addon/cuda/staging.h"

#include <algorithm>

#include "cuda_fixture.h"

namespace {

std::vector<u8> random_bytes(Random& random, size_t count) {
  std::vector<u8> bytes(count);
  for (u8& byte : bytes) byte = u8(random.next());
  return bytes;
}

}  // namespace

TEST("bytes of any size arrive and come back, across pieces of the staging memory") {
  const std::unique_ptr<Backend> backend = open_gpu();
  constexpr size_t kPiece = cuda::Staging::kPieceBytes;
  Random random(1);
  for (const size_t bytes :
       {size_t(1), size_t(255), size_t(257), kPiece - 1, kPiece, kPiece + 1, 5 * kPiece + 77}) {
    const std::vector<u8> sent = random_bytes(random, bytes);
    DeviceBytes memory(*backend, bytes);
    memory.write(sent);
    CHECK(memory.read<u8>(bytes) == sent);
  }
  check_ok(backend->upload(nullptr, nullptr, 0));
  check_ok(backend->download(nullptr, nullptr, 0));
}

TEST(
    "a buffer that is reused right after its upload changes nothing of it, however late the GPU "
    "is") {
  const std::unique_ptr<Backend> backend = open_gpu();
  const Delays delays(200);
  Random random(2);
  constexpr size_t kCount = 64;
  constexpr size_t kBytes = 600 << 10;  // the ring of pieces turns several times
  std::vector<std::unique_ptr<DeviceBytes>> places;
  for (size_t i = 0; i < kCount; ++i) {
    places.push_back(std::make_unique<DeviceBytes>(*backend, kBytes));
  }
  std::vector<u8> buffer(kBytes);
  for (size_t i = 0; i < kCount; ++i) {
    std::fill(buffer.begin(), buffer.end(), u8(i + 1));
    const size_t bytes = kBytes - size_t(random.below(1000));
    check_ok(backend->upload(places[i]->as<u8>(), buffer.data(), bytes));
  }
  for (size_t i = 0; i < kCount; ++i) {
    const std::vector<u8> found = places[i]->read<u8>(kBytes - 1000);
    CHECK(std::all_of(found.begin(), found.end(), [i](u8 byte) { return byte == u8(i + 1); }));
  }
}

TEST("a download sees everything queued before it") {
  const std::unique_ptr<Backend> backend = open_gpu();
  const Delays delays(500);
  DeviceBytes memory(*backend, 1000);
  for (int i = 0; i < 30; ++i) {
    memory.write(std::vector<u8>(1000, u8(i)));
    check_ok(backend->scale({memory.as<f32>(), 1.0f, 1, 250}));
    check_ok(backend->fill(memory.as<u8>() + 10, u8(i + 100), 20));
    const std::vector<u8> found = memory.read<u8>(1000);
    CHECK(found[9] == u8(i) && found[10] == u8(i + 100) && found[29] == u8(i + 100));
    CHECK(found[30] == u8(i) && found[999] == u8(i));
  }
}

TEST("memory that is freed while work on it is queued goes only after that work") {
  const std::unique_ptr<Backend> backend = open_gpu();
  const Delays delays(2000);
  for (int i = 0; i < 10; ++i) {
    DeviceBytes memory(*backend, 100000);
    memory.write(std::vector<u8>(100000, 1));
    check_ok(backend->scale({memory.as<f32>(), 2.0f, 100, 250}));
  }
  check_ok(backend->finish());
}
