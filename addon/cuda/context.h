#pragma once
// One GPU, opened: its primary context, what it can do, and whether it still works.

#include <memory>

#include "cuda_error.h"
#include "launcher.h"
#include "payload.h"

namespace cuda {

class Context {
 public:
  // Opens GPU `index` of the driver's order. Null and a failed status when there is none.
  //
  // @param tries  gets a line about the GPU
  static std::unique_ptr<Context> open(std::shared_ptr<const Driver> driver, i32 index,
                                       std::vector<std::string>* tries, Status* status);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Makes this context the calling thread's; fails once the device is lost. Each entry from
  // another thread or another library's code starts with it.
  Status enter();
  // The same for giving things back, which works on a lost device too: results do not matter then.
  void enter_to_free() { driver_->ctx_set_current(context_); }

  const Driver& driver() const { return *driver_; }
  Health& health() { return health_; }
  Status check(CuResult result, const char* call, const char* kernel = nullptr) {
    return health_.check(result, call, kernel);
  }
  const GpuInfo& gpu() const { return gpu_; }
  Capability capability() const { return {gpu_.major, gpu_.minor}; }
  const std::string& name() const { return name_; }
  // Of the GPU, when it was opened.
  size_t total_bytes() const { return total_bytes_; }
  size_t free_bytes() const { return free_bytes_; }

 private:
  explicit Context(std::shared_ptr<const Driver> driver);
  Status retain(i32 index);
  Status read_attributes();

  const std::shared_ptr<const Driver> driver_;
  Health health_;
  CuDevice device_ = -1;
  CuContext context_ = nullptr;
  GpuInfo gpu_{};
  std::string name_;
  size_t total_bytes_ = 0;
  size_t free_bytes_ = 0;
};

}  // namespace cuda
