#pragma once
// From what the driver answers to a Status, and the memory of an answer after which nothing works.

#include <atomic>
#include <mutex>

#include "driver.h"

namespace cuda {

// Whether a result means that every later call on the context fails too.
bool is_sticky(CuResult result);

// Any thread. Once lost, a device stays lost: work is refused with ERR_DEVICE_LOST, naming what
// happened first; giving back what it held is still allowed.
class Health {
 public:
  explicit Health(const Driver& driver) : driver_(driver) {}

  // ERR_CUDA, or ERR_OUT_OF_MEMORY for that result; ERR_DEVICE_LOST for failures after the first
  // sticky one, which itself is ERR_CUDA. `kernel` is the one being launched, or null.
  Status check(CuResult result, const char* call, const char* kernel = nullptr);
  // Fine, or why nothing runs any more.
  Status status() const;
  bool is_lost() const { return is_lost_.load(std::memory_order_acquire); }

 private:
  const Driver& driver_;
  std::atomic<bool> is_lost_{false};
  mutable std::mutex mutex_;
  std::string first_failure_;  // guarded by mutex_
};

}  // namespace cuda
