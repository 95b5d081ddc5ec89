#include "cpu_memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace cpu {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kPageBytes = 4096;
constexpr size_t kHugePageBytes = size_t(2) << 20;
// From this size on memory is mapped, so that release_memory can tell by the size alone.
constexpr size_t kMapFromBytes = size_t(1) << 20;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

void* map_pages(size_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return data == MAP_FAILED ? nullptr : data;
}

// Maps `bytes` (whole pages) at a multiple of the huge page size: maps more and gives the ends
// back.
void* map_huge(size_t bytes) {
  void* mapped = map_pages(bytes + kHugePageBytes);
  if (mapped == nullptr) return nullptr;
  const uintptr_t start = reinterpret_cast<uintptr_t>(mapped);
  const uintptr_t aligned = round_up(start, kHugePageBytes);
  const size_t before = aligned - start;
  char* data = static_cast<char*>(mapped) + before;
  if (before > 0) munmap(mapped, before);
  if (before < kHugePageBytes) munmap(data + bytes, kHugePageBytes - before);
  madvise(data, bytes, MADV_HUGEPAGE);  // advice: without it the memory is as good, only slower
  return data;
}

}  // namespace

void* allocate_memory(size_t bytes, bool huge) {
  if (bytes > SIZE_MAX / 2) return nullptr;
  if (bytes >= kMapFromBytes) {
    const size_t size = round_up(bytes, kPageBytes);
    return huge ? map_huge(size) : map_pages(size);
  }
  const size_t size = round_up(bytes > 0 ? bytes : 1, kAlignment);
  void* data = std::aligned_alloc(kAlignment, size);
  if (data != nullptr) std::memset(data, 0, size);
  return data;
}

void release_memory(void* data, size_t bytes) {
  if (data == nullptr) return;
  if (bytes >= kMapFromBytes) {
    munmap(data, round_up(bytes, kPageBytes));
    return;
  }
  std::free(data);
}

void* ScratchBuffer::require(size_t bytes) {
  if (bytes <= capacity_ && data_ != nullptr) return data_;
  const size_t capacity = round_up(bytes + bytes / 4, kPageBytes);
  void* data = allocate_memory(capacity, false);
  if (data == nullptr) return nullptr;
  release_memory(data_, capacity_);
  data_ = data;
  capacity_ = capacity;
  return data_;
}

}  // namespace cpu
