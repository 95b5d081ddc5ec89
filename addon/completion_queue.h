#pragma once
// Finished jobs of all devices of one environment, on their way to its JavaScript thread. One
// thread-safe function carries them, called once for however many have gathered.

#include <node_api.h>

#include <memory>
#include <mutex>
#include <vector>

#include "job.h"

class DeviceState;

struct Completion {
  DeviceState* device;  // alive while it has unfinished jobs
  std::shared_ptr<Job> job;
};

class CompletionQueue {
 public:
  // JavaScript thread.
  void open(napi_threadsafe_function notify) { notify_ = notify; }
  // JavaScript thread. Nothing is delivered any more.
  void close();
  // JavaScript thread.
  std::vector<Completion> take_all();

  // Any thread.
  void push(Completion completion);

 private:
  std::mutex mutex_;
  std::vector<Completion> completions_;        // guarded by mutex_
  bool is_notified_ = false;                   // guarded by mutex_
  napi_threadsafe_function notify_ = nullptr;  // guarded by mutex_ once engines run; null: closed
};
