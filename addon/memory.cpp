#include "memory.h"

Buffer::Buffer(std::shared_ptr<Memory> memory, size_t bytes, MemoryKind kind)
    : memory(std::move(memory)), bytes(bytes), kind(kind) {}

Buffer::~Buffer() {
  if (data != nullptr) memory->release(data);
}

Status Buffer::check() const {
  if (data != nullptr || bytes == 0) return Status::ok();
  if (!refusal.is_ok()) return refusal;
  return Status::error("ERR_OUT_OF_MEMORY",
                       "a tensor of " + std::to_string(bytes) + " bytes was never allocated");
}

std::shared_ptr<Buffer> Memory::reserve(size_t bytes, MemoryKind kind) {
  return std::make_shared<Buffer>(shared_from_this(), bytes, kind);
}

Status Memory::allocate(Buffer& buffer) {
  if (buffer.data != nullptr || buffer.bytes == 0) return Status::ok();
  buffer.refusal = find_memory(buffer);
  return buffer.refusal;
}

Status Memory::find_memory(Buffer& buffer) {
  const bool is_host = buffer.kind == MemoryKind::kHost;
  void* data = is_host ? backend_->allocate_host(buffer.bytes)
                       : backend_->allocate(buffer.bytes, buffer.kind == MemoryKind::kHuge);
  if (data == nullptr) {
    Status status = backend_->finish();  // a lost device gives no memory either, and says why
    if (!status.is_ok()) return status;
    const std::string size = std::to_string(buffer.bytes) + " bytes";
    return Status::error("ERR_OUT_OF_MEMORY",
                         is_host ? "the machine could not give " + size + " of host memory"
                                 : "the device could not give " + size + "; " +
                                       std::to_string(bytes_allocated_) + " are held");
  }
  const std::lock_guard lock(mutex_);
  live_.emplace(data, Allocation{data, buffer.bytes, buffer.kind});
  if (!is_host) {
    bytes_allocated_ += buffer.bytes;
    live_device_bytes += static_cast<i64>(buffer.bytes);
  }
  buffer.data = data;
  return Status::ok();
}

void Memory::release(void* data) {
  const std::lock_guard lock(mutex_);
  if (!is_closed_) released_.push_back(data);
}

void Memory::release_program(u64 program) {
  const std::lock_guard lock(mutex_);
  if (!is_closed_) released_programs_.push_back(program);
}

void Memory::collect() {
  std::vector<u64> programs;
  std::vector<Allocation> released;
  {
    const std::lock_guard lock(mutex_);
    programs.swap(released_programs_);
    released.reserve(released_.size());
    for (void* data : released_) {
      const auto found = live_.find(data);
      released.push_back(found->second);
      live_.erase(found);
    }
    released_.clear();
  }
  for (const u64 program : programs) backend_->forget_recorded(program);
  for (const Allocation& allocation : released) give_back(allocation);
}

void Memory::close() {
  collect();
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  for (const auto& [data, allocation] : live_) give_back(allocation);
  live_.clear();
  released_.clear();
}

void Memory::give_back(const Allocation& allocation) {
  if (allocation.kind == MemoryKind::kHost) {
    backend_->free_host(allocation.data, allocation.bytes);
    return;
  }
  backend_->free(allocation.data, allocation.bytes);
  bytes_allocated_ -= allocation.bytes;
  live_device_bytes -= static_cast<i64>(allocation.bytes);
}
