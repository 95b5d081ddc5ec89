#pragma once
// The CUDA backend on the emulated driver, for its native tests; any argument of a test program is
// a filter as in test/native.

#include <memory>
#include <string>
#include <vector>

#include "../../../addon/backend.h"
#include "../../../addon/cuda/graphs.h"
#include "../../native/check.h"
#include "../../native/values.h"
#include "emulated.h"

// What the emulated driver tells of itself and does for tests.
struct EmulatedDriver {
  decltype(&emulated_fail) fail;
  decltype(&emulated_num_calls) num_calls;
  decltype(&emulated_num_kernels) num_kernels;
  decltype(&emulated_set_delay_us) set_delay_us;
  decltype(&emulated_bytes_held) bytes_held;
  decltype(&emulated_num_leaks) num_leaks;
};
const EmulatedDriver& emulated_driver();

// Sets an environment variable as long as it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value);
  ~Variable();
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* const name_;
  std::string before_;
  bool was_set_;
};

// Queued work waits up to so long, as long as it lives.
struct Delays {
  explicit Delays(i32 max_us) { emulated_driver().set_delay_us(max_us); }
  ~Delays() { emulated_driver().set_delay_us(0); }
};

// The options of the emulated GPU; its driver is chosen by the environment from here on.
CudaOptions emulated_options();

// The GPU, open; fails the test when it cannot be.
std::unique_ptr<Backend> open_gpu(const CudaOptions& options = emulated_options());

// The code of a status, "" when it is fine.
std::string code_of(const Status& status);
void check_ok(const Status& status);
// Fails the test unless the message has all of these in it.
void check_says(const Status& status, const char* code, const std::vector<std::string>& parts);

// Device memory of a test.
class DeviceBytes {
 public:
  DeviceBytes(Backend& backend, size_t bytes);
  ~DeviceBytes();
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;

  template <class T>
  T* as(size_t offset_bytes = 0) const {
    return reinterpret_cast<T*>(static_cast<u8*>(data_) + offset_bytes);
  }
  template <class T>
  void write(const std::vector<T>& values) const {
    check_ok(backend_.upload(data_, values.data(), values.size() * sizeof(T)));
  }
  template <class T>
  std::vector<T> read(size_t count) const {
    std::vector<T> values(count);
    check_ok(backend_.download(values.data(), data_, count * sizeof(T)));
    return values;
  }

 private:
  Backend& backend_;
  const size_t bytes_;
  void* data_;
};

// The pieces under CudaBackend, one by one.
struct GpuParts {
  GpuParts();
  ~GpuParts();

  std::unique_ptr<cuda::Context> context;
  std::unique_ptr<cuda::KernelImage> image;
  std::unique_ptr<cuda::Stream> stream;
  std::unique_ptr<cuda::DeviceMemory> memory;
  std::unique_ptr<cuda::StreamLauncher> launcher;
};
