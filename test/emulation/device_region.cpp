// Emulated device memory: one reserved stretch of addresses, allocations with guards, never reused.

#include "device_region.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "hooks.h"
#include "runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) static_cast<void>(0)
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) static_cast<void>(0)
#endif

namespace emulation {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kGuardBytes = 1024;    // on each side
constexpr size_t kGapBytes = 64 << 10;  // unmapped, between allocations
constexpr size_t kPoisonedBytes = 64 << 20;
constexpr int kPoison = 0xFF;
#if defined(PA_EMULATION_CHECK)
constexpr size_t kReservedBytes = size_t(1) << 39;  // its shadow is 16 times as large
#else
constexpr size_t kReservedBytes = size_t(1) << 40;
#endif

struct Memory {
  std::mutex mutex;
  char* base = nullptr;
  size_t bytes = 0;
  size_t used = 0;
  std::map<char*, size_t> live;  // by address
};

Memory& memory() {
  static auto* const region = new Memory();
  return *region;
}

void reserve(Memory& region) {
  for (size_t bytes = kReservedBytes; bytes >= (size_t(1) << 33); bytes /= 2) {
    void* const mapped =
        mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) continue;
    region.base = static_cast<char*>(mapped);
    region.bytes = bytes;
    return;
  }
}

size_t mapped_bytes(size_t bytes) {
  return (bytes + 2 * kGuardBytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

bool is_guard_intact(const char* guard, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    if (guard[i] != char(kPoison)) return false;
  }
  return true;
}

bool are_guards_intact(char* data, size_t bytes) {
  const size_t behind = mapped_bytes(bytes) - kGuardBytes - bytes;
  ASAN_UNPOISON_MEMORY_REGION(data - kGuardBytes, kGuardBytes);
  ASAN_UNPOISON_MEMORY_REGION(data + bytes, behind);
  const bool intact =
      is_guard_intact(data - kGuardBytes, kGuardBytes) && is_guard_intact(data + bytes, behind);
  ASAN_POISON_MEMORY_REGION(data - kGuardBytes, kGuardBytes);
  ASAN_POISON_MEMORY_REGION(data + bytes, behind);
  return intact;
}

}  // namespace

void* allocate_device(size_t bytes) {
  Memory& region = memory();
  std::lock_guard<std::mutex> lock(region.mutex);
  if (region.base == nullptr) reserve(region);
  const size_t mapped = mapped_bytes(bytes);
  if (bytes > region.bytes || region.used + mapped + 2 * kGapBytes > region.bytes) return nullptr;
  char* const start = region.base + region.used + kGapBytes;
  if (mprotect(start, mapped, PROT_READ | PROT_WRITE) != 0) return nullptr;
  region.used += (mapped + kGapBytes + kGapBytes - 1) / kGapBytes * kGapBytes;
  char* const data = start + kGuardBytes;
  std::memset(start, kPoison, kGuardBytes);
  std::memset(data + bytes, kPoison, mapped - kGuardBytes - bytes);
  if (bytes <= kPoisonedBytes) std::memset(data, kPoison, bytes);
  ASAN_POISON_MEMORY_REGION(start, kGuardBytes);
  ASAN_POISON_MEMORY_REGION(data + bytes, mapped - kGuardBytes - bytes);
  region.live[data] = bytes;
  return data;
}

void free_device(void* data) {
  if (data == nullptr) return;
  Memory& region = memory();
  std::lock_guard<std::mutex> lock(region.mutex);
  const auto found = region.live.find(static_cast<char*>(data));
  if (found == region.live.end()) fault("free_device(%p): not an allocation", data);
  const size_t bytes = found->second;
  if (!are_guards_intact(found->first, bytes)) {
    fault("the guards of the %zu bytes at %p were overwritten", bytes, data);
  }
  char* const start = found->first - kGuardBytes;
  region.live.erase(found);
  hooks::forget(start, mapped_bytes(bytes));
  ASAN_UNPOISON_MEMORY_REGION(start, kGuardBytes);
  ASAN_UNPOISON_MEMORY_REGION(start + kGuardBytes + bytes,
                              mapped_bytes(bytes) - kGuardBytes - bytes);
  madvise(start, mapped_bytes(bytes), MADV_DONTNEED);
  mprotect(start, mapped_bytes(bytes), PROT_NONE);
}

void mark_written(const void* data, size_t bytes) {
  hooks::region(data, bytes, hooks::Region::kInitialised);
}

bool is_device_memory(const void* data, size_t bytes) {
  Memory& region = memory();
  std::lock_guard<std::mutex> lock(region.mutex);
  char* const place = static_cast<char*>(const_cast<void*>(data));
  auto after = region.live.upper_bound(place);
  if (after == region.live.begin()) return false;
  --after;
  return size_t(place - after->first) + bytes <= after->second;
}

bool has_intact_guards(const void* data) {
  Memory& region = memory();
  std::lock_guard<std::mutex> lock(region.mutex);
  const auto found = region.live.find(static_cast<char*>(const_cast<void*>(data)));
  return found != region.live.end() && are_guards_intact(found->first, found->second);
}

DeviceRange device_range() {
  const Memory& region = memory();
  return {region.base, region.bytes};
}

std::string describe_device_address(const void* address) {
  Memory& region = memory();
  char* const place = static_cast<char*>(const_cast<void*>(address));
  if (region.base == nullptr || place < region.base || place >= region.base + region.bytes) {
    return "not device memory";
  }
  char text[128];
  auto after = region.live.upper_bound(place);
  if (after == region.live.begin()) return "device memory before the first allocation";
  --after;
  std::snprintf(text, sizeof text, "byte %zd of an allocation of %zu bytes", place - after->first,
                after->second);
  return text;
}

}  // namespace emulation
