// Bindings of device memory.

#include "bindings.h"

namespace {

// Backend::allocate       addon/backend.h
// lib/device/native.ts    allocateBuffer(device, o: { byteLength }): NativeBuffer
//
// The memory comes when the engine thread gets there; where it fails, work on it fails.
Napi::Value AllocateBuffer(const Napi::CallbackInfo& info) {
  const auto device = device_of(info);
  const size_t bytes = static_cast<size_t>(Fields(info[1]).count("byteLength"));
  const std::shared_ptr<Buffer> buffer = device->engine().memory().reserve(bytes);
  device->submit(std::make_shared<AllocateJob>(std::vector{buffer}), 0);
  return wrap(info.Env(), buffer);
}

// Backend::upload         addon/backend.h
// lib/device/native.ts    writeBuffer(device, buffer, data: ArrayBufferView, id): void
void WriteBuffer(const Napi::CallbackInfo& info) {
  const auto buffer = unwrap<Buffer>(info[1], "buffer");
  const u8* data = nullptr;
  size_t bytes = 0;
  if (info[2].IsTypedArray()) {
    const Napi::TypedArray view = info[2].As<Napi::TypedArray>();
    data = static_cast<const u8*>(view.ArrayBuffer().Data()) + view.ByteOffset();
    bytes = view.ByteLength();
  } else if (info[2].IsDataView()) {
    const Napi::DataView view = info[2].As<Napi::DataView>();
    data = static_cast<const u8*>(view.Data());
    bytes = view.ByteLength();
  }
  if (bytes != buffer->bytes) {
    throw_error(info.Env(), "ERR_NATIVE", "data is not as long as the buffer");
  }
  std::vector<u8> copy(data, data + bytes);
  device_of(info)->submit(std::make_shared<WriteJob>(buffer, std::move(copy)),
                          unsigned_number(info, 3));
}

// Backend::download       addon/backend.h
// lib/device/native.ts    readBuffer(device, buffer, into: ArrayBuffer, id): void
void ReadBuffer(const Napi::CallbackInfo& info) {
  auto job = std::make_shared<ReadJob>(unwrap<Buffer>(info[1], "buffer"));
  device_of(info)->submit(std::move(job), unsigned_number(info, 3), array_buffer(info, 2));
}

// Backend::fill           addon/backend.h
// lib/device/native.ts    fillBuffer(device, buffer, byte, id): void
void FillBuffer(const Napi::CallbackInfo& info) {
  auto buffer = unwrap<Buffer>(info[1], "buffer");
  const u8 byte = static_cast<u8>(unsigned_number(info, 2));
  device_of(info)->submit(std::make_shared<FillJob>(std::move(buffer), byte),
                          unsigned_number(info, 3));
}

// Backend::free           addon/backend.h
// lib/device/native.ts    freeBuffer(device, buffer): void
void FreeBuffer(const Napi::CallbackInfo& info) {
  auto buffer = unwrap<Buffer>(info[1], "buffer");
  handle_of<Buffer>(info[1], "buffer").value.reset();
  device_of(info)->submit(std::make_shared<FreeJob>(std::move(buffer)), 0);
}

}  // namespace

void export_buffers(Napi::Env env, Napi::Object exports) {
  exports.Set("allocateBuffer", Napi::Function::New<AllocateBuffer>(env, "allocateBuffer"));
  exports.Set("writeBuffer", Napi::Function::New<WriteBuffer>(env, "writeBuffer"));
  exports.Set("readBuffer", Napi::Function::New<ReadBuffer>(env, "readBuffer"));
  exports.Set("fillBuffer", Napi::Function::New<FillBuffer>(env, "fillBuffer"));
  exports.Set("freeBuffer", Napi::Function::New<FreeBuffer>(env, "freeBuffer"));
}
