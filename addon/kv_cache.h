#pragma once
// The KV pool and host memory for whole blocks of it.

#include <memory>

#include "memory.h"

struct KvCache {
  std::shared_ptr<Buffer> buffer;
  KvCacheView view;  // data is null; ops get the buffer's pointer when they are bound
};

// Room in host memory for `count` whole blocks, zeroed; goes back like any buffer of the device.
struct HostBlocks {
  HostBlocks(Memory& memory, i32 count, i64 block_bytes)
      : count(count),
        buffer(memory.reserve(static_cast<size_t>(count) * static_cast<size_t>(block_bytes),
                              MemoryKind::kHost)) {}

  const i32 count;
  const std::shared_ptr<Buffer> buffer;
};
