#pragma once
// JavaScript objects that hold a shared pointer of the addon's. Each kind has a type tag, so that
// an object of another kind, or of another addon, is refused. JavaScript thread only; finalizers
// may run after the engine is gone, and only let go.

#include <napi.h>

#include <memory>
#include <string>
#include <utility>

#include "buffer_jobs.h"
#include "device_state.h"
#include "mapped_file.h"
#include "program.h"

// Random numbers that name each kind of handle.
template <class T>
inline constexpr napi_type_tag kTypeTag = {};
template <>
inline constexpr napi_type_tag kTypeTag<DeviceState> = {0x3f1d0a5be2c94d17, 0x9a6604e7bb1cf0d2};
template <>
inline constexpr napi_type_tag kTypeTag<Buffer> = {0x7c2be91d40f54a83, 0xb5d1f26a8e03c791};
template <>
inline constexpr napi_type_tag kTypeTag<KvCache> = {0x1e8843f6ad0b4c5e, 0x8c97a1d35f62be04};
template <>
inline constexpr napi_type_tag kTypeTag<MappedFile> = {0x5a90d7c31b7e4f28, 0xae31706cd98245bf};
template <>
inline constexpr napi_type_tag kTypeTag<HostBlocks> = {0x92f4176e0cb84da1, 0xb0784ed1c6a95f33};
template <>
inline constexpr napi_type_tag kTypeTag<Program> = {0x68b5e20fd3914c7a, 0x97ec3b5d4410a8f6};

template <class T>
struct Handle {
  std::shared_ptr<T> value;  // null once freed
};

// Becomes a JavaScript error with this code.
[[noreturn]] inline void throw_error(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  throw error;
}

// What CudaError in lib/errors.ts carries beside code and message, or null. Mirrors
// NativeCudaFailure in lib/device/native.ts.
inline Napi::Value cuda_failure(Napi::Env env, const Status& status) {
  const CudaFailure* failure = status.cuda_failure();
  if (failure == nullptr) return env.Null();
  Napi::Object object = Napi::Object::New(env);
  object.Set("cudaCode", Napi::Number::New(env, failure->code));
  object.Set("call", Napi::String::New(env, failure->call));
  object.Set("kernel", Napi::String::New(env, failure->kernel));
  return object;
}

inline void throw_if_failed(Napi::Env env, const Status& status) {
  if (status.is_ok()) return;
  Napi::Error error = Napi::Error::New(env, status.message());
  error.Set("code", Napi::String::New(env, status.code()));
  error.Set("cuda", cuda_failure(env, status));
  throw error;
}

// What a finalizer that finds something unfreed counts.
template <class T>
void count_collected(const Handle<T>&) {}
template <>
inline void count_collected(const Handle<Buffer>& handle) {
  if (handle.value != nullptr) handle.value->memory->count_collected();
}

template <class T>
Napi::Object wrap(Napi::Env env, std::shared_ptr<T> value) {
  Napi::Object object = Napi::Object::New(env);
  auto handle = std::make_unique<Handle<T>>(Handle<T>{std::move(value)});
  const auto finalize = [](napi_env, void* data, void*) {
    const std::unique_ptr<Handle<T>> collected(static_cast<Handle<T>*>(data));
    count_collected(*collected);
  };
  napi_status status = napi_wrap(env, object, handle.get(), finalize, nullptr, nullptr);
  if (status != napi_ok) throw Napi::Error::New(env);
  handle.release();
  status = napi_type_tag_object(env, object, &kTypeTag<T>);
  if (status != napi_ok) throw Napi::Error::New(env);
  return object;
}

// The handle in `value`; refuses any other object.
template <class T>
Handle<T>& handle_of(Napi::Value value, const char* what) {
  bool is_tagged = false;
  void* handle = nullptr;
  if (value.IsObject()) {
    napi_check_object_type_tag(value.Env(), value, &kTypeTag<T>, &is_tagged);
  }
  if (is_tagged) napi_unwrap(value.Env(), value, &handle);
  if (handle == nullptr) {
    throw_error(value.Env(), "ERR_NATIVE", std::string(what) + " is no handle of the right kind");
  }
  return *static_cast<Handle<T>*>(handle);
}

// What the handle in `value` holds; refuses one that was freed.
template <class T>
std::shared_ptr<T> unwrap(Napi::Value value, const char* what) {
  const Handle<T>& handle = handle_of<T>(value, what);
  if (handle.value == nullptr) {
    throw_error(value.Env(), "ERR_NATIVE", std::string(what) + " was freed");
  }
  return handle.value;
}
