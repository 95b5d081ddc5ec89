#pragma once
// The memory of one device: who holds which bytes, and when they go back.

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "backend.h"

class Memory;

// A piece of device memory. Handles, jobs and programs share it; it goes back when the last one
// lets go. `data` is set and read on the engine thread only; null until then, and where that
// failed.
struct Buffer {
  Buffer(std::shared_ptr<Memory> memory, size_t bytes, bool huge);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  const std::shared_ptr<Memory> memory;
  const size_t bytes;
  const bool huge;  // asks for huge pages
  void* data = nullptr;
};

// Invariant: live_ has exactly the allocations that were not given back to the backend.
class Memory : public std::enable_shared_from_this<Memory> {
 public:
  explicit Memory(Backend* backend) : backend_(backend) {}

  // Any thread. A buffer that has no memory yet.
  std::shared_ptr<Buffer> reserve(size_t bytes, bool huge = false);

  // Engine thread. Gives a reserved buffer its memory, zeroed.
  Status allocate(Buffer& buffer);
  // Engine thread. Gives back what was released since the last call.
  void collect();
  // Engine thread. Gives back everything; buffers that outlive this point nowhere.
  void close();

  // Any thread. Buffers call it; after close() it does nothing.
  void release(void* data, size_t bytes);
  void count_collected() { buffers_collected_++; }
  size_t bytes_allocated() const { return bytes_allocated_; }
  u64 buffers_collected() const { return buffers_collected_; }

 private:
  Backend* const backend_;
  std::mutex mutex_;
  std::unordered_map<void*, size_t> live_;          // guarded by mutex_
  std::vector<std::pair<void*, size_t>> released_;  // guarded by mutex_
  bool is_closed_ = false;                          // guarded by mutex_
  std::atomic<size_t> bytes_allocated_{0};
  std::atomic<u64> buffers_collected_{0};
};
