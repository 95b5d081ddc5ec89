#pragma once
// The functions that JavaScript calls, by subject. Each binding's first two lines name what it
// reaches and its TypeScript signature.

#include <napi.h>

#include "fields.h"

// Parameter 0 of every binding that works on a device.
inline std::shared_ptr<DeviceState> device_of(const Napi::CallbackInfo& info) {
  return unwrap<DeviceState>(info[0], "device");
}

void export_device(Napi::Env env, Napi::Object exports);
void export_buffers(Napi::Env env, Napi::Object exports);
void export_loading(Napi::Env env, Napi::Object exports);
void export_kv_cache(Napi::Env env, Napi::Object exports);
void export_programs(Napi::Env env, Napi::Object exports);
