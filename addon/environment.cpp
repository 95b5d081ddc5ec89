#include "environment.h"

#include <algorithm>

Environment& Environment::of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

Environment::Environment(Napi::Env env) : env_(env) {
  const Napi::String name = Napi::String::New(env, "paged-attention");
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, on_notify, &notify_);
  if (status != napi_ok) throw Napi::Error::New(env);
  napi_unref_threadsafe_function(env, notify_);
  completions_->open(notify_);
  // After the thread-safe function was made: hooks run last in, first out, and engines must have
  // ended before it goes.
  napi_add_env_cleanup_hook(env, on_cleanup, this);
}

void Environment::hold(std::shared_ptr<DeviceState> device) {
  if (busy_.empty()) napi_ref_threadsafe_function(env_, notify_);
  busy_.insert(std::move(device));
}

void Environment::let_go(const std::shared_ptr<DeviceState>& device) {
  busy_.erase(device);
  if (busy_.empty()) napi_unref_threadsafe_function(env_, notify_);
}

void Environment::on_notify(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;  // the environment is ending
  const Napi::HandleScope scope(env);
  try {
    static_cast<Environment*>(context)->deliver_all(env);
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  }
}

void Environment::deliver_all(Napi::Env env) {
  const std::vector<Completion> completions = completions_->take_all();
  for (auto first = completions.begin(); first != completions.end();) {
    const auto end = std::find_if(first, completions.end(), [first](const Completion& other) {
      return other.device != first->device;
    });
    const std::shared_ptr<DeviceState> device = first->device->shared_from_this();
    device->deliver(env, {first, end});
    first = end;
  }
}

// process.exit, worker.terminate() or the end of the script: work may be under way.
void Environment::on_cleanup(void* context) {
  Environment* environment = static_cast<Environment*>(context);
  for (DeviceState* device : environment->devices_) device->abandon();
  environment->completions_->close();
  napi_release_threadsafe_function(environment->notify_, napi_tsfn_release);
  environment->busy_.clear();
}
