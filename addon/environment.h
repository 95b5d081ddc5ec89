#pragma once
// What the addon keeps per JavaScript environment (the main thread, or a Worker): its devices and
// the one thread-safe function through which finished work comes back. JavaScript thread only.

#include <napi.h>

#include <memory>
#include <unordered_set>

#include "completion_queue.h"
#include "device_state.h"

class Environment {
 public:
  static Environment& of(Napi::Env env);

  explicit Environment(Napi::Env env);

  void add(DeviceState& device) { devices_.insert(&device); }
  void remove(DeviceState& device) { devices_.erase(&device); }

  // A device begins, or ceases, to have unfinished jobs: while one has, the event loop stays alive.
  void hold(std::shared_ptr<DeviceState> device);
  void let_go(const std::shared_ptr<DeviceState>& device);

  const std::shared_ptr<CompletionQueue>& completions() const { return completions_; }

 private:
  static void on_notify(napi_env env, napi_value, void* context, void*);
  static void on_cleanup(void* environment);
  void deliver_all(Napi::Env env);

  const napi_env env_;
  const std::shared_ptr<CompletionQueue> completions_ = std::make_shared<CompletionQueue>();
  napi_threadsafe_function notify_ = nullptr;
  std::unordered_set<DeviceState*> devices_;
  std::unordered_set<std::shared_ptr<DeviceState>> busy_;
};
