// Device and pinned memory, and copies between them.

#include <sys/mman.h>

#include <cstring>

#include "../runtime.h"
#include "exported.h"

namespace {

void* pointer(CuDevicePointer data) { return reinterpret_cast<void*>(data); }

bool is_on_device(CuDevicePointer data, size_t bytes) {
  return emulation::is_device_memory(pointer(data), bytes) &&
         !gpu().is_pinned(pointer(data), bytes);
}

constexpr size_t kPageBytes = 4096;
constexpr size_t kDropFromBytes = size_t{1} << 20;

// Zeros without touching each page: a large pool is mostly unused.
void fill_zeros(char* data, size_t bytes) {
  char* const end = data + bytes;
  const auto round_up = [](char* place) {
    const size_t address = reinterpret_cast<size_t>(place);
    return place + (kPageBytes - address % kPageBytes) % kPageBytes;
  };
  if (bytes < kDropFromBytes) {
    std::memset(data, 0, bytes);
    return;
  }
  char* const first_page = round_up(data);
  char* const last_page = round_up(end) - (round_up(end) > end ? kPageBytes : 0);
  std::memset(data, 0, size_t(first_page - data));
  madvise(first_page, size_t(last_page - first_page), MADV_DONTNEED);
  std::memset(last_page, 0, size_t(end - last_page));
}

CuResult fill(void* data, u8 byte, size_t bytes) {
  if (byte == 0) {
    fill_zeros(static_cast<char*>(data), bytes);
  } else {
    std::memset(data, byte, bytes);
  }
  emulation::mark_written(data, bytes);
  return kCuSuccess;
}

CuResult copy(void* destination, const void* source, size_t bytes) {
  std::memcpy(destination, source, bytes);
  if (emulation::is_device_memory(destination, bytes)) {
    emulation::mark_written(destination, bytes);
  }
  return kCuSuccess;
}

// What the driver does with memory that the GPU cannot reach: it reads it before it returns.
CuResult push_snapshot(CuStream stream, void* destination, const void* source, size_t bytes) {
  if (const CuResult result = stream->check_not_capturing(); result != kCuSuccess) return result;
  const u8* const from = static_cast<const u8*>(source);
  const auto snapshot = std::make_shared<std::vector<u8>>(from, from + bytes);
  return stream->push([=] { return copy(destination, snapshot->data(), bytes); });
}

}  // namespace

DRIVER_EXPORT CuResult cuMemGetInfo_v2(size_t* free_bytes, size_t* total_bytes) {
  BEGIN_CALL(cuMemGetInfo_v2, kContext);
  *free_bytes = gpu().free_bytes();
  *total_bytes = size_t(gpu().settings().memory_bytes);
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuMemAlloc_v2(CuDevicePointer* data, size_t bytes) {
  BEGIN_CALL(cuMemAlloc_v2, kNoCapture);
  if (bytes == 0) return kCuInvalidValue;
  if (!gpu().take_bytes(bytes)) return kCuOutOfMemory;
  void* const memory = emulation::allocate_device(bytes);
  if (memory == nullptr) {
    gpu().give_bytes(bytes);
    return kCuOutOfMemory;
  }
  gpu().add_memory(memory, bytes);
  *data = reinterpret_cast<CuDevicePointer>(memory);
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuMemFree_v2(CuDevicePointer data) {
  BEGIN_CALL(cuMemFree_v2, kNoCapture);
  if (data == 0) return kCuSuccess;
  if (!gpu().remove_memory(pointer(data))) return kCuInvalidValue;
  emulation::free_device(pointer(data));
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuMemHostAlloc(void** data, size_t bytes, u32) {
  BEGIN_CALL(cuMemHostAlloc, kNoCapture);
  *data = emulation::allocate_device(bytes);
  if (*data == nullptr) return kCuOutOfMemory;
  gpu().add_pinned(*data, bytes);
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuMemFreeHost(void* data) {
  BEGIN_CALL(cuMemFreeHost, kNoCapture);
  if (!gpu().remove_pinned(data)) return kCuInvalidValue;
  emulation::free_device(data);
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuMemcpyHtoDAsync_v2(CuDevicePointer destination, const void* source,
                                            size_t bytes, CuStream stream) {
  BEGIN_CALL(cuMemcpyHtoDAsync_v2, kContext);
  REQUIRE_ALIVE(stream);
  if (!is_on_device(destination, bytes)) return kCuInvalidValue;
  void* const to = pointer(destination);
  if (!gpu().is_pinned(source, bytes)) return push_snapshot(stream, to, source, bytes);
  return stream->push([=] { return copy(to, source, bytes); });
}

DRIVER_EXPORT CuResult cuMemcpyDtoHAsync_v2(void* destination, CuDevicePointer source, size_t bytes,
                                            CuStream stream) {
  BEGIN_CALL(cuMemcpyDtoHAsync_v2, kContext);
  REQUIRE_ALIVE(stream);
  if (!is_on_device(source, bytes)) return kCuInvalidValue;
  const void* const from = pointer(source);
  const auto work = [=] { return copy(destination, from, bytes); };
  if (gpu().is_pinned(destination, bytes)) return stream->push(work);
  if (const CuResult result = stream->check_not_capturing(); result != kCuSuccess) return result;
  const CuResult result = stream->push(work);
  return result == kCuSuccess ? stream->wait_until_idle() : result;
}

DRIVER_EXPORT CuResult cuMemsetD8Async(CuDevicePointer destination, u8 byte, size_t bytes,
                                       CuStream stream) {
  BEGIN_CALL(cuMemsetD8Async, kContext);
  REQUIRE_ALIVE(stream);
  if (!is_on_device(destination, bytes)) return kCuInvalidValue;
  return stream->push([=] { return fill(pointer(destination), byte, bytes); });
}
