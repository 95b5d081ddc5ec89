#pragma once
// What reports say of an address; the rest of device memory is in runtime.h.

#include <cstddef>
#include <string>

namespace emulation {

// All addresses that device memory may have; empty before the first allocation.
struct DeviceRange {
  const char* base;
  size_t bytes;
};
DeviceRange device_range();

// "byte 128 of an allocation of 64 bytes"; takes no lock, for reports of a process about to end.
std::string describe_device_address(const void* address);

}  // namespace emulation
