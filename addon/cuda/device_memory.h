#pragma once
// Memory of the GPU, within a budget; and host memory that it reads by itself.

#include "stream.h"

namespace cuda {

// Engine thread. What is still held when it goes is given back with it.
class DeviceMemory {
 public:
  // `stream` is the one that uses the memory first: zeros are queued on it. At most `max_bytes` are
  // given out at a time; 0: what the GPU has.
  DeviceMemory(Context& context, Stream& stream, size_t max_bytes);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  // 256-byte aligned, zeros. Null and a failed status when the budget or the GPU has no more.
  Status allocate(size_t bytes, void** data);
  // Waits for what is queued on the stream: it may still use the memory.
  void free(void* data, size_t bytes);
  size_t bytes_held() const { return bytes_held_; }

 private:
  Context& context_;
  Stream& stream_;
  const size_t max_bytes_;
  size_t bytes_held_ = 0;
  std::vector<void*> held_;
};

// Pinned host memory that every thread and the GPU can use.
class PinnedMemory {
 public:
  explicit PinnedMemory(Context& context) : context_(context) {}
  ~PinnedMemory();
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

  Status open(size_t bytes);
  u8* data() const { return static_cast<u8*>(data_); }

 private:
  Context& context_;
  void* data_ = nullptr;
};

}  // namespace cuda
