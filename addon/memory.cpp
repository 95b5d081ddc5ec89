#include "memory.h"

Buffer::Buffer(std::shared_ptr<Memory> memory, size_t bytes, bool huge)
    : memory(std::move(memory)), bytes(bytes), huge(huge) {}

Buffer::~Buffer() {
  if (data != nullptr) memory->release(data, bytes);
}

std::shared_ptr<Buffer> Memory::reserve(size_t bytes, bool huge) {
  return std::make_shared<Buffer>(shared_from_this(), bytes, huge);
}

Status Memory::allocate(Buffer& buffer) {
  if (buffer.data != nullptr || buffer.bytes == 0) return Status::ok();
  void* data = backend_->allocate(buffer.bytes, buffer.huge);
  if (data == nullptr) {
    return Status::error("ERR_OUT_OF_MEMORY", "the device could not give " +
                                                  std::to_string(buffer.bytes) + " bytes; " +
                                                  std::to_string(bytes_allocated_) + " are held");
  }
  const std::lock_guard lock(mutex_);
  live_.emplace(data, buffer.bytes);
  bytes_allocated_ += buffer.bytes;
  buffer.data = data;
  return Status::ok();
}

void Memory::release(void* data, size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!is_closed_) released_.emplace_back(data, bytes);
}

void Memory::collect() {
  std::vector<std::pair<void*, size_t>> released;
  {
    const std::lock_guard lock(mutex_);
    released.swap(released_);
    for (const auto& [data, bytes] : released) live_.erase(data);
  }
  for (const auto& [data, bytes] : released) {
    backend_->free(data, bytes);
    bytes_allocated_ -= bytes;
  }
}

void Memory::close() {
  collect();
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  for (const auto& [data, bytes] : live_) backend_->free(data, bytes);
  live_.clear();
  released_.clear();
  bytes_allocated_ = 0;
}
