#pragma once
// What an op answers when it cannot run.

#include <string>

#include "../status.h"
#include "kernels.h"

namespace cpu {

inline Status out_of_memory(const char* op, size_t bytes) {
  return Status::error("ERR_OUT_OF_MEMORY",
                       std::string(op) + " needs " + std::to_string(bytes) + " bytes of scratch");
}

inline bool is_cache_supported(const KvCacheView& cache) {
  return cache.head_dim > 0 && cache.head_dim % kHeadDimUnit == 0 &&
         cache.head_dim <= kMaxHeadDim && cache.block_size >= kMinBlockSize &&
         (cache.block_size & (cache.block_size - 1)) == 0;
}

inline Status unsupported_cache(const char* op, const KvCacheView& cache) {
  return Status::error("ERR_NATIVE", std::string(op) + ": head_dim " +
                                         std::to_string(cache.head_dim) + ", block_size " +
                                         std::to_string(cache.block_size) +
                                         "; expected a multiple of 16 up to 256, a power of two "
                                         "from 8");
}

}  // namespace cpu
