#pragma once
// The memory of one device, and host memory that it transfers to: who holds which bytes, and when
// they go back.

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "backend.h"
#include "live_objects.h"

class Memory;

enum class MemoryKind : u8 {
  kDevice,
  kHuge,  // of the device, in huge pages where it has them
  kHost,  // of the host, in reach of transfers
};

// A piece of memory. Handles, jobs and programs share it; it goes back when the last one lets go.
// `data` is set on the engine thread, and read there (host memory: on the transfer thread); null
// until then, and where that failed.
struct Buffer : public Counted<Buffer> {
  Buffer(std::shared_ptr<Memory> memory, size_t bytes, MemoryKind kind);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // Ok where `data` can be used; else why there is none.
  Status check() const;

  const std::shared_ptr<Memory> memory;
  const size_t bytes;
  const MemoryKind kind;
  void* data = nullptr;
  Status refusal;  // of the allocation, where that failed
};

// Invariant: live_ has exactly the allocations that were not given back to the backend, and
// bytes_allocated_ is the sum of those on the device.
class Memory : public std::enable_shared_from_this<Memory> {
 public:
  explicit Memory(Backend* backend) : backend_(backend) {}

  // Any thread. A buffer that has no memory yet.
  std::shared_ptr<Buffer> reserve(size_t bytes, MemoryKind kind = MemoryKind::kDevice);

  // Engine thread. Gives a reserved buffer its memory, zeroed; where there is none, the buffer keeps
  // the reason.
  Status allocate(Buffer& buffer);
  // Engine thread. Gives back what was released since the last call.
  void collect();
  // Engine thread. Gives back everything; buffers that outlive this point nowhere.
  void close();

  // Any thread. Buffers call it; after close() it does nothing.
  void release(void* data);
  // Any thread. Programs call it when they go: the backend forgets what it recorded of them.
  void release_program(u64 program);
  void count_collected() { buffers_collected_++; }
  size_t bytes_allocated() const { return bytes_allocated_; }
  u64 buffers_collected() const { return buffers_collected_; }

 private:
  Status find_memory(Buffer& buffer);
  struct Allocation {
    void* data;
    size_t bytes;
    MemoryKind kind;
  };
  void give_back(const Allocation& allocation);

  Backend* const backend_;
  std::mutex mutex_;
  std::unordered_map<void*, Allocation> live_;  // guarded by mutex_
  std::vector<void*> released_;                 // guarded by mutex_
  std::vector<u64> released_programs_;          // guarded by mutex_
  bool is_closed_ = false;                      // guarded by mutex_
  std::atomic<size_t> bytes_allocated_{0};
  std::atomic<u64> buffers_collected_{0};
};
