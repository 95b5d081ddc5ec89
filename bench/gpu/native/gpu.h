#pragma once
// One GPU with the backend's own pieces on it: driver, payload, stream, launcher. What a benchmark
// launches is what the backend launches.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../../../addon/cuda/staging.h"
#include "../../../addon/cuda/stream_launcher.h"

namespace bench {

// Ends the benchmark with a message when the status is a failure: a row without all of its work is
// no row.
void require(const Status& status);
[[noreturn]] void stop(const std::string& message);

class Gpu {
 public:
  // @param payload_folders  searched in order, as by the addon
  explicit Gpu(const std::vector<std::string>& payload_folders);

  // cuBLASLt and the few-row kernel, or the fixed order of arithmetic.
  cuda::Launcher& launcher() { return *fast_; }
  cuda::Launcher& deterministic_launcher() { return *deterministic_; }
  cuda::Context& context() { return *context_; }
  cuda::Stream& stream() { return stream_; }
  const cuda::KernelImage& kernels() const { return *image_; }
  const std::string& arch() const { return image_->image().arch; }

  // Zeroed; lives as long as the Gpu, or until release().
  void* allocate(size_t bytes);
  void release(void* data, size_t bytes);
  void fill_random(void* data, DType dtype, i64 count, f32 scale, u64 seed);
  void upload(void* destination, const void* host, size_t bytes);
  void download(void* host, const void* source, size_t bytes);
  void synchronize() { require(stream_.synchronize()); }

  template <class T>
  T* allocate_array(i64 count) {
    return static_cast<T*>(allocate(sizeof(T) * static_cast<size_t>(count)));
  }
  template <class T>
  T* upload_array(const std::vector<T>& values) {
    T* const data = allocate_array<T>(static_cast<i64>(values.size()));
    upload(data, values.data(), values.size() * sizeof(T));
    return data;
  }
  template <class T>
  std::vector<T> download_array(const T* data, i64 count) {
    std::vector<T> values(static_cast<size_t>(count));
    download(values.data(), data, values.size() * sizeof(T));
    return values;
  }

 private:
  std::unique_ptr<cuda::Context> context_;
  std::unique_ptr<cuda::KernelImage> image_;
  cuda::Stream stream_;
  cuda::DeviceMemory memory_;
  cuda::Staging staging_;
  std::unique_ptr<cuda::StreamLauncher> fast_;
  std::unique_ptr<cuda::StreamLauncher> deterministic_;
};

// Device memory of one row, given back at its end.
class Scope {
 public:
  explicit Scope(Gpu& gpu) : gpu_(gpu) {}
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  void* allocate(size_t bytes);
  template <class T>
  T* array(i64 count) {
    return static_cast<T*>(allocate(sizeof(T) * static_cast<size_t>(count)));
  }
  template <class T>
  T* array(const std::vector<T>& values) {
    T* const data = array<T>(static_cast<i64>(values.size()));
    gpu_.upload(data, values.data(), values.size() * sizeof(T));
    return data;
  }

 private:
  struct Piece {
    void* data;
    size_t bytes;
  };
  Gpu& gpu_;
  std::vector<Piece> pieces_;
};

// Microseconds of one call.
struct Times {
  double median_us;
  double p10_us;
  double p90_us;
};

// Times calls that do the same work on different memory: they are captured into one CUDA graph of
// at least `min_calls` calls, replayed several times between two events. Each call must have run
// once before (workspaces take their size then).
Times time_calls(Gpu& gpu, const std::vector<std::function<Status()>>& calls, int min_calls = 20);

// How many sets of memory to rotate over, so that nothing is left in the L2 cache when its turn
// comes again.
int num_sets(const Gpu& gpu, i64 bytes_of_set);

}  // namespace bench
