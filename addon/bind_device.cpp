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

// A device on `backend`, whose onCompletions `options` has.
Napi::Value make_device(const Fields& options, std::unique_ptr<Backend> backend,
                        const Status& status) {
  throw_if_failed(options.env(), status);
  if (!options.value("onCompletions").IsFunction()) options.refuse("onCompletions", "a function");
  const auto on_completions = options.value("onCompletions").As<Napi::Function>();
  Environment& environment = Environment::of(options.env());
  return wrap(options.env(),
              std::make_shared<DeviceState>(environment, std::move(backend), on_completions));
}

// open_cpu_backend        addon/cpu/cpu_backend.cpp
// lib/device/native.ts    openCpu(o: { isa, threads, onCompletions }): NativeDevice
Napi::Value OpenCpu(const Napi::CallbackInfo& info) {
  const Fields options(info[0]);
  const int threads = static_cast<int>(options.count("threads", 4096));
  Status status;
  std::unique_ptr<Backend> backend = open_cpu_backend(options.text("isa"), threads, &status);
  return make_device(options, std::move(backend), status);
}

// list_gpus               addon/cuda/open.cpp
// lib/device/native.ts    listGpus(): string[]
Napi::Value ListGpus(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (const std::string& name : list_gpus()) {
    names[names.Length()] = Napi::String::New(info.Env(), name);
  }
  return names;
}

// open_cuda_backend       addon/cuda/open.cpp
// lib/device/native.ts    openCuda(o: { index, deterministic, payloadFolders, maxBytes,
// onCompletions }): NativeDevice
Napi::Value OpenCuda(const Napi::CallbackInfo& info) {
  const Fields options(info[0]);
  CudaOptions cuda{.index = static_cast<int>(options.count("index", 4096)),
                   .is_deterministic = options.flag("deterministic"),
                   .payload_folders = {},
                   .max_bytes = static_cast<size_t>(options.count("maxBytes"))};
  const Napi::Array folders = options.value("payloadFolders").As<Napi::Array>();
  for (u32 i = 0; i < folders.Length(); i++) {
    cuda.payload_folders.push_back(folders.Get(i).As<Napi::String>());
  }
  Status status;
  std::unique_ptr<Backend> backend = open_cuda_backend(cuda, &status);
  return make_device(options, std::move(backend), status);
}

// Backend::info           addon/backend.h
// lib/device/native.ts    deviceInfo(device): NativeDeviceInfo
Napi::Value DeviceInfo(const Napi::CallbackInfo& info) {
  const Engine& engine = device_of(info)->engine();
  const BackendInfo& found = engine.info();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("backend", found.backend);
  result.Set("isa", found.isa);
  result.Set("name", found.name);
  result.Set("threads", found.threads);
  result.Set("deterministic", found.is_deterministic);
  result.Set("computeCapability", found.compute_capability);
  result.Set("memoryBytes", static_cast<double>(found.memory_bytes));
  result.Set("freeBytes", static_cast<double>(found.free_bytes));
  Napi::Array weight_dtypes = Napi::Array::New(info.Env());
  Napi::Array cache_dtypes = Napi::Array::New(info.Env());
  for (const DType dtype : {kF32, kF16, kBF16, kInt8, kInt4}) {
    if (engine.supports_weights(dtype)) weight_dtypes[weight_dtypes.Length()] = i32{dtype};
    if (engine.supports_cache(dtype)) cache_dtypes[cache_dtypes.Length()] = i32{dtype};
  }
  result.Set("weightDtypes", weight_dtypes);
  result.Set("cacheDtypes", cache_dtypes);
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

// Counted                 addon/live_objects.h
// lib/device/native.ts    liveObjects(counts: Float64Array): void
void LiveObjects(const Napi::CallbackInfo& info) {
  const i64 values[] = {
      live_engines.load(),      Counted<Buffer>::num_live(),     Counted<Program>::num_live(),
      Counted<Job>::num_live(), Counted<MappedFile>::num_live(), live_device_bytes.load(),
  };
  if (!info[0].IsTypedArray()) throw_error(info.Env(), "ERR_NATIVE", "counts is no array");
  Napi::Float64Array into = info[0].As<Napi::Float64Array>();
  for (size_t i = 0; i < std::size(values) && i < into.ElementLength(); i++) {
    into[i] = static_cast<double>(values[i]);
  }
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
  exports.Set("openCpu", Napi::Function::New<OpenCpu>(env, "openCpu"));
  exports.Set("listGpus", Napi::Function::New<ListGpus>(env, "listGpus"));
  exports.Set("openCuda", Napi::Function::New<OpenCuda>(env, "openCuda"));
  exports.Set("deviceInfo", Napi::Function::New<DeviceInfo>(env, "deviceInfo"));
  exports.Set("deviceCounters", Napi::Function::New<DeviceCounters>(env, "deviceCounters"));
  exports.Set("liveObjects", Napi::Function::New<LiveObjects>(env, "liveObjects"));
  exports.Set("queueMarker", Napi::Function::New<QueueMarker>(env, "queueMarker"));
  exports.Set("closeDevice", Napi::Function::New<CloseDevice>(env, "closeDevice"));
}
