#pragma once
// The state of the emulated GPU: its context, what is allocated, what is to fail, what has failed.
// Any thread.

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "../../../addon/cuda/driver.h"
#include "settings.h"

namespace emulated {

using cuda::CuResult;

// What a driver function needs before it may run.
enum class Needs : u8 {
  kNothing,
  kInit,       // cuInit
  kContext,    // and a live context on this thread that has not failed
  kNoCapture,  // and no capture going on on this thread: one that is ends
};

class Gpu {
 public:
  // First line of each driver function: counts it, and gives what it must return at once, if
  // anything.
  CuResult begin(const char* call, Needs needs);

  void init();
  Settings settings() const;
  CuResult retain(cuda::CuContext* context);
  CuResult release();
  void set_current(cuda::CuContext context);

  // Handles made with new: what is alive when the context goes was leaked, and goes with it.
  template <class Handle>
  void add(Handle* handle) {
    add(handle, [handle] { delete handle; });
  }
  bool remove(const void* thing);
  bool is_alive(const void* thing) const;

  // Within the GPU's memory; false when there is no more.
  bool take_bytes(size_t bytes);
  void give_bytes(size_t bytes);
  size_t free_bytes() const;
  void add_memory(void* data, size_t bytes);
  bool remove_memory(void* data);
  void add_pinned(void* data, size_t bytes);
  bool remove_pinned(void* data);
  bool is_pinned(const void* data, size_t bytes) const;

  // Every later call fails with a sticky result.
  void fail(CuResult result);
  CuResult failure() const { return failure_.load(); }
  // Counts the execution of a kernel; gives how it fails, if it does.
  CuResult begin_kernel();

  void arm(const std::string& call, i32 n, i32 result);
  i64 num_calls(const std::string& call) const;
  i64 bytes_held() const;
  i64 num_leaks() const { return num_leaks_.load(); }

 private:
  void add(const void* thing, std::function<void()> destroy);
  CuResult count_call(const std::string& call);  // with mutex_

  struct Armed {
    i32 left;
    CuResult result;
    bool is_of_environment = false;
  };
  mutable std::mutex mutex_;
  Settings settings_{};  // guarded by mutex_, as is what follows
  bool is_initialised_ = false;
  i32 num_holders_ = 0;  // of the context
  std::map<std::string, Armed> armed_;
  std::map<std::string, i64> calls_;
  std::map<const void*, std::function<void()>> things_;
  std::map<const void*, size_t> memory_;
  std::map<const char*, size_t> pinned_;
  size_t bytes_held_ = 0;
  std::atomic<CuResult> failure_{cuda::kCuSuccess};
  std::atomic<i64> num_leaks_{0};
};

Gpu& gpu();

}  // namespace emulated
