#pragma once
// Arrays in emulated device memory for kernel tests: exactly as long as asked, guards around them,
// poison until written. Destroying one checks its guards.

#include <cstring>
#include <vector>

#include "../native/check.h"
#include "../native/values.h"
#include "runtime.h"

namespace emulation {

// `bytes` of device memory. Past 64 MiB the pages exist only once touched, so a pool may have
// hundreds of GiB.
class DeviceBytes {
 public:
  explicit DeviceBytes(size_t bytes) : data_(allocate_device(bytes)), bytes_(bytes) {
    if (data_ == nullptr) check::fail(__FILE__, __LINE__, "out of emulated device memory");
  }
  ~DeviceBytes() { release(); }
  DeviceBytes(DeviceBytes&& other) noexcept : data_(other.data_), bytes_(other.bytes_) {
    other.data_ = nullptr;
  }
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;

  char* data() const { return static_cast<char*>(data_); }
  size_t bytes() const { return bytes_; }
  void upload(const void* from, size_t bytes, size_t offset = 0) {
    if (data_ == nullptr || bytes == 0) return;  // the test has failed when memory was refused
    std::memcpy(data() + offset, from, bytes);
    mark_written(data() + offset, bytes);
  }
  bool has_intact_guards() const { return emulation::has_intact_guards(data_); }

 private:
  void release() {
    if (data_ == nullptr) return;
    if (!has_intact_guards()) {
      check::fail(__FILE__, __LINE__,
                  check::text("a kernel wrote outside its array of ", bytes_, " bytes"));
      return;  // freeing would end the process
    }
    free_device(data_);
  }

  void* data_;
  size_t bytes_;
};

// `count` elements of a plain type. Without values the bytes are 0xFF: NaN, or -1.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : memory_(count * sizeof(T)) {}
  DeviceArray(size_t count, T value) : DeviceArray(std::vector<T>(count, value)) {}
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    upload(values);
  }

  T* data() const { return reinterpret_cast<T*>(memory_.data()); }
  size_t size() const { return memory_.bytes() / sizeof(T); }
  void upload(const std::vector<T>& values) {
    memory_.upload(values.data(), values.size() * sizeof(T));
  }
  std::vector<T> download() const { return std::vector<T>(data(), data() + size()); }

 private:
  DeviceBytes memory_;
};

// `count` floats stored as f32, f16 or bf16.
class DeviceFloats {
 public:
  // Written with `value`; NaN and 1e30f are the poisons.
  DeviceFloats(DType dtype, size_t count, f32 value)
      : DeviceFloats(dtype, std::vector<f32>(count, value)) {}
  DeviceFloats(DType dtype, const std::vector<f32>& values)
      : dtype_(dtype), memory_(values.size() * elem_bytes(dtype)) {
    upload(values);
  }

  void* data() const { return memory_.data(); }
  DType dtype() const { return dtype_; }
  size_t size() const { return memory_.bytes() / elem_bytes(dtype_); }
  void upload(const std::vector<f32>& values) {
    const FloatArray rounded(dtype_, values);
    memory_.upload(rounded.data(), rounded.bytes().size());
  }
  std::vector<f32> download() const {
    std::vector<f32> values(size());
    FloatArray stored(dtype_, size());
    std::memcpy(stored.data(), memory_.data(), memory_.bytes());
    for (size_t i = 0; i < values.size(); ++i) values[i] = stored[i];
    return values;
  }

 private:
  DType dtype_;
  DeviceBytes memory_;
};

// The values that memory which must not be read holds: each test of a kernel runs with both. NaN
// shows in every sum, 1e30 in every maximum (fmaxf drops a NaN).
constexpr f32 kPoisons[] = {__builtin_nanf(""), 1e30f};

// Seed of this run: $PA_SEED, or new each time; printed by the test program.
u64 run_seed();

}  // namespace emulation
