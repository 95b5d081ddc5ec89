#pragma once
// Memory of the CPU backend: aligned and zeroed. Ownership is the caller's until release_memory.

#include <cstddef>

namespace cpu {

// 64-byte aligned, zeroed; large pieces are mapped, on huge pages where `huge` and possible. Null
// when there is no memory.
void* allocate_memory(size_t bytes, bool huge);

// Gives back what allocate_memory gave, with the same number of bytes.
void release_memory(void* data, size_t bytes);

// One piece of memory that grows and never shrinks; its content is lost when it grows.
class ScratchBuffer {
 public:
  ScratchBuffer() = default;
  ~ScratchBuffer() { release_memory(data_, capacity_); }
  ScratchBuffer(const ScratchBuffer&) = delete;
  ScratchBuffer& operator=(const ScratchBuffer&) = delete;

  // At least `bytes` bytes, 64-byte aligned; null when there is no memory.
  void* require(size_t bytes);

 private:
  void* data_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace cpu
