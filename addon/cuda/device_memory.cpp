#include "device_memory.h"

#include <algorithm>
#include <bit>

namespace cuda {
namespace {

constexpr size_t kAlignment = 256;  // the driver's own, and what kernels rely on

size_t round_up(size_t bytes) {
  return std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
}

CuDevicePointer address(const void* data) { return reinterpret_cast<CuDevicePointer>(data); }

}  // namespace

DeviceMemory::DeviceMemory(Context& context, Stream& stream, size_t max_bytes)
    : context_(context), stream_(stream), max_bytes_(max_bytes > 0 ? max_bytes : SIZE_MAX / 2) {}

DeviceMemory::~DeviceMemory() {
  for (const void* data : held_) context_.driver().mem_free(address(data));
}

Status DeviceMemory::allocate(size_t bytes, void** data) {
  *data = nullptr;
  const size_t left = max_bytes_ - bytes_held_;
  if (bytes > left || round_up(bytes) > left) {
    return Status::error("ERR_OUT_OF_MEMORY", "need " + std::to_string(bytes) + " bytes; " +
                                                  std::to_string(left) + " of " +
                                                  std::to_string(max_bytes_) + " are left");
  }
  const Driver& driver = context_.driver();
  CuDevicePointer pointer = 0;
  Status status = context_.check(driver.mem_alloc(&pointer, round_up(bytes)), "cuMemAlloc");
  if (!status.is_ok()) return status;
  status = context_.check(driver.memset_d8_async(pointer, 0, round_up(bytes), stream_.handle()),
                          "cuMemsetD8Async");
  if (!status.is_ok()) {
    driver.mem_free(pointer);
    return status;
  }
  *data = std::bit_cast<void*>(pointer);
  held_.push_back(*data);
  bytes_held_ += round_up(bytes);
  return status;
}

void DeviceMemory::free(void* data, size_t bytes) {
  const auto place = std::find(held_.begin(), held_.end(), data);
  if (data == nullptr || place == held_.end()) return;
  context_.driver().stream_synchronize(stream_.handle());
  context_.driver().mem_free(address(data));
  *place = held_.back();
  held_.pop_back();
  bytes_held_ -= round_up(bytes);
}

PinnedMemory::~PinnedMemory() {
  if (data_ != nullptr) context_.driver().mem_free_host(data_);
}

Status PinnedMemory::open(size_t bytes) {
  return context_.check(context_.driver().mem_host_alloc(&data_, bytes, kCuHostAllocPortable),
                        "cuMemHostAlloc");
}

}  // namespace cuda
