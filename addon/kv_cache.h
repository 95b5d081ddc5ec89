#pragma once
// The KV pool and host memory for whole blocks of it.

#include <memory>

#include "memory.h"

struct KvCache {
  std::shared_ptr<Buffer> buffer;
  KvCacheView view;  // data is null; ops get the buffer's pointer when they are bound
};

// Host memory of `count` blocks, zeroed. Freed by whoever lets go last, on any thread.
class HostBlocks {
 public:
  HostBlocks(i32 count, i64 block_bytes);
  ~HostBlocks();
  HostBlocks(const HostBlocks&) = delete;
  HostBlocks& operator=(const HostBlocks&) = delete;

  u8* data() const { return data_; }  // null when out of memory
  size_t bytes() const { return bytes_; }
  i32 count() const { return count_; }

 private:
  const i32 count_;
  const size_t bytes_;
  u8* data_ = nullptr;
};
