// Shared memory of a CTA: one arena, every array with redzones around it, poison until written; and
// the asynchronous copies into it, which land at the wait.

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "cta_state.h"
#include "hooks.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) static_cast<void>(0)
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) static_cast<void>(0)
#endif

namespace emulation {
namespace {

constexpr int kPoison = 0xFF;  // NaN in every float type, -1 in every signed integer

size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

char* carve(Cta& cta, const SharedArray* array, size_t bytes, size_t alignment) {
  const size_t start = round_up(cta.arena_used + kRedzoneBytes, alignment);
  if (start + bytes + kRedzoneBytes > kArenaBytes) {
    fault("shared memory: %zu bytes do not fit beside %zu", bytes, cta.arena_used);
  }
  char* const data = cta.arena + start;
  char* const gap = cta.arena + cta.arena_used;
  const size_t gap_bytes = size_t(data - gap);
  ASAN_UNPOISON_MEMORY_REGION(gap, gap_bytes + bytes + kRedzoneBytes);
  std::memset(gap, kPoison, gap_bytes + bytes + kRedzoneBytes);
  ASAN_POISON_MEMORY_REGION(gap, gap_bytes);
  ASAN_POISON_MEMORY_REGION(data + bytes, kRedzoneBytes);
  cta.arena_used = start + bytes;
  cta.pieces.push_back({array, data, bytes});
  hooks::shared_region(cta.arena, data, bytes, hooks::Region::kUninitialised);
  return data;
}

void create_arena(Cta& cta) {
  void* const mapped =
      mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) fault("no memory for shared memory");
  cta.arena = static_cast<char*>(mapped);
}

}  // namespace

void release_shared_memory(Cta& cta) {
  if (cta.arena == nullptr) return;
  ASAN_UNPOISON_MEMORY_REGION(cta.arena, kArenaBytes);
  munmap(cta.arena, kArenaBytes);
}

void reset_shared_memory(Cta& cta, size_t dynamic_bytes) {
  if (cta.arena == nullptr) create_arena(cta);
  ASAN_UNPOISON_MEMORY_REGION(cta.arena, kArenaBytes);
  hooks::shared_region(cta.arena, cta.arena, cta.arena_used, hooks::Region::kFreed);
  ASAN_POISON_MEMORY_REGION(cta.arena, kArenaBytes);
  cta.pieces.clear();
  cta.arena_used = kArenaStart - kRedzoneBytes;
  cta.dynamic = carve(cta, nullptr, dynamic_bytes, 1024);
}

size_t static_shared_bytes(const Cta& cta) {
  size_t total = 0;
  for (const SharedPiece& piece : cta.pieces) {
    if (piece.array != nullptr) total = round_up(total, 16) + piece.bytes;
  }
  return total;
}

void check_redzones(const Cta& cta) {
  for (const SharedPiece& piece : cta.pieces) {
    ASAN_UNPOISON_MEMORY_REGION(piece.data + piece.bytes, kRedzoneBytes);
    for (size_t i = 0; i < kRedzoneBytes; ++i) {
      if (piece.data[piece.bytes + i] == char(kPoison)) continue;
      const char* const name = piece.array != nullptr ? piece.array->name : "dynamic shared memory";
      const char* const file = piece.array != nullptr ? piece.array->file : cta.kernel->file;
      fault("%s:%d: %s has %zu bytes; byte %zu was written", file,
            piece.array != nullptr ? piece.array->line : 0, name, piece.bytes, piece.bytes + i);
    }
  }
}

void* shared_array(const SharedArray* array, size_t bytes) {
  Cta& cta = *current->cta;
  for (const SharedPiece& piece : cta.pieces) {
    if (piece.array == array) return piece.data;
  }
  return carve(cta, array, bytes, 16);
}

void* dynamic_shared() { return current->cta->dynamic; }

void start_copy(u32 shared, const void* global, bool valid, Location location) {
  Thread& self = *current;
  Cta& cta = *self.cta;
  if (shared % 16 != 0 || (valid && reinterpret_cast<size_t>(global) % 16 != 0)) {
    fault("%s:%d: cp_async16 from %p to shared %#x: not 16-byte aligned", location.file,
          location.line, global, shared);
  }
  if (shared < kArenaStart || shared + 16 > cta.arena_used) {
    fault("%s:%d: cp_async16 to %#x, outside shared memory", location.file, location.line, shared);
  }
  if (self.end_copy == self.copy_capacity) {
    self.copy_capacity = self.copy_capacity == 0 ? 64 : 2 * self.copy_capacity;
    self.copies = static_cast<PendingCopy*>(
        std::realloc(self.copies, self.copy_capacity * sizeof(PendingCopy)));
  }
  char* const destination = cta.arena + shared;
  std::memset(destination, kPoison, 16);
  self.copies[self.end_copy++] = {destination, valid ? global : nullptr, self.copy_group, location};
  if (valid) hooks::access(global, 16, hooks::Access::kRead, self, location);
  hooks::access(destination, 16, hooks::Access::kCopyIssued, self, location);
}

void commit_copies() { ++current->copy_group; }

void wait_copies(u32 num_unfinished) {
  Thread& self = *current;
  if (self.copy_group < num_unfinished) return;
  const u32 end_group = self.copy_group - num_unfinished;
  while (self.first_copy < self.end_copy && self.copies[self.first_copy].group < end_group) {
    const PendingCopy& copy = self.copies[self.first_copy++];
    if (copy.source != nullptr) {
      std::memcpy(copy.destination, copy.source, 16);
    } else {
      std::memset(copy.destination, 0, 16);
    }
    hooks::access(copy.destination, 16, hooks::Access::kCopyLanded, self, copy.location);
  }
  if (self.first_copy == self.end_copy) self.first_copy = self.end_copy = 0;
}

void discard_copies(Thread& thread) { thread.first_copy = thread.end_copy = 0; }

}  // namespace emulation
