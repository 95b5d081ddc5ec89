// Bindings of devices. A function that takes `id` queues work and reports that number to the
// device's onCompletions; 0 reports nothing.

#include "bindings.h"
#include "environment.h"

namespace {

// open_cpu_backend        addon/cpu/cpu_backend.cpp
// lib/device/native.ts    availableIsas(): string[]
Napi::Value AvailableIsas(const Napi::CallbackInfo& info) {
  Napi::Array isas = Napi::Array::New(info.Env());
  for (const char* isa : {"portable", "avx2", "avx512", "avx512bf16"}) {
    Status status;
    if (open_cpu_backend(isa, 1, &status) == nullptr) continue;
    isas[isas.Length()] = Napi::String::New(info.Env(), isa);
  }
  return isas;
}

// open_cpu_backend        addon/cpu/cpu_backend.cpp
// lib/device/native.ts    openDevice(o: { isa, threads, onCompletions }): NativeDevice
Napi::Value OpenDevice(const Napi::CallbackInfo& info) {
  const Fields options(info[0]);
  const int threads = static_cast<int>(options.count("threads", 4096));
  if (!options.value("onCompletions").IsFunction()) options.refuse("onCompletions", "a function");
  Status status;
  std::unique_ptr<Backend> backend = open_cpu_backend(options.text("isa"), threads, &status);
  throw_if_failed(info.Env(), status);
  Environment& environment = Environment::of(info.Env());
  const auto on_completions = options.value("onCompletions").As<Napi::Function>();
  return wrap(info.Env(),
              std::make_shared<DeviceState>(environment, std::move(backend), on_completions));
}

// Backend::info           addon/backend.h
// lib/device/native.ts    deviceInfo(device): { backend, isa, name, threads }
Napi::Value DeviceInfo(const Napi::CallbackInfo& info) {
  const BackendInfo& found = device_of(info)->engine().info();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("backend", found.backend);
  result.Set("isa", found.isa);
  result.Set("name", found.name);
  result.Set("threads", found.threads);
  return result;
}

// Engine::counters        addon/engine.h
// lib/device/native.ts    deviceCounters(device, counters: Float64Array): void
void DeviceCounters(const Napi::CallbackInfo& info) {
  Engine& engine = device_of(info)->engine();
  const Counters& counters = engine.counters();
  const double values[] = {
      static_cast<double>(counters.steps_run),
      static_cast<double>(counters.tokens_computed),
      static_cast<double>(counters.kv_slots_written),
      static_cast<double>(counters.blocks_copied),
      static_cast<double>(counters.logit_rows),
      static_cast<double>(counters.tokens_sampled),
      static_cast<double>(engine.memory().bytes_allocated()),
      static_cast<double>(engine.memory().buffers_collected()),
  };
  if (!info[1].IsTypedArray()) throw_error(info.Env(), "ERR_NATIVE", "counters is no array");
  Napi::Float64Array into = info[1].As<Napi::Float64Array>();
  for (size_t i = 0; i < std::size(values) && i < into.ElementLength(); i++) into[i] = values[i];
}

// Engine::submit          addon/engine.cpp
// lib/device/native.ts    queueMarker(device, id): void
void QueueMarker(const Napi::CallbackInfo& info) {
  device_of(info)->submit(std::make_shared<MarkerJob>(), unsigned_number(info, 1));
}

// Engine::close           addon/engine.cpp
// lib/device/native.ts    closeDevice(device, id): void
void CloseDevice(const Napi::CallbackInfo& info) {
  device_of(info)->close(unsigned_number(info, 1));
}

}  // namespace

void export_device(Napi::Env env, Napi::Object exports) {
  exports.Set("availableIsas", Napi::Function::New<AvailableIsas>(env, "availableIsas"));
  exports.Set("openDevice", Napi::Function::New<OpenDevice>(env, "openDevice"));
  exports.Set("deviceInfo", Napi::Function::New<DeviceInfo>(env, "deviceInfo"));
  exports.Set("deviceCounters", Napi::Function::New<DeviceCounters>(env, "deviceCounters"));
  exports.Set("queueMarker", Napi::Function::New<QueueMarker>(env, "queueMarker"));
  exports.Set("closeDevice", Napi::Function::New<CloseDevice>(env, "closeDevice"));
}
