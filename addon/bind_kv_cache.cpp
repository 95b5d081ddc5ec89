// Bindings of KV caches, host blocks and transfers between them.

#include "bindings.h"

namespace {

constexpr i64 kMaxI32 = 0x7fffffff;

KvCacheView read_layout(const Fields& o) {
  const auto extent = [&](const char* name, i64 max) {
    return static_cast<i32>(o.count(name, max));
  };
  KvCacheView view{};
  view.num_blocks = extent("numBlocks", kMaxI32);
  view.block_size = extent("blockSize", 256);
  view.num_layers = extent("numLayers", 4096);
  view.num_kv_heads = extent("numKvHeads", 4096);
  view.head_dim = extent("headDim", 1024);
  view.dtype = o.dtype("dtype");
  view.block_stride = o.count("blockStride");
  view.layer_stride = o.count("layerStride");
  view.value_stride = o.count("valueStride");
  view.head_stride = o.count("headStride");

  const i64 tile_bytes = i64{view.block_size} * view.head_dim * (view.dtype == kF32 ? 4 : 2);
  if (view.head_stride < tile_bytes || view.value_stride < view.head_stride * view.num_kv_heads ||
      view.layer_stride < 2 * view.value_stride ||
      view.block_stride < view.layer_stride * view.num_layers ||
      view.block_stride > (i64{1} << 40)) {
    o.refuse("blockStride", "as large as the layers need");
  }
  return view;
}

// Backend::allocate       addon/backend.h
// lib/device/native.ts    createKvCache(device, o: NativeKvLayout): NativeKvCache
//
// Waits for the job that runs just now.
Napi::Value CreateKvCache(const Napi::CallbackInfo& info) {
  const auto device = device_of(info);
  const KvCacheView view = read_layout(Fields(info[1]));
  const size_t bytes =
      static_cast<size_t>(view.num_blocks) * static_cast<size_t>(view.block_stride);
  auto cache = std::make_shared<KvCache>();
  cache->buffer = device->engine().memory().reserve(bytes, MemoryKind::kHuge);
  cache->view = view;
  AllocateJob job({cache->buffer});
  throw_if_failed(info.Env(), device->engine().run_now(job));
  return wrap(info.Env(), cache);
}

// Backend::fill           addon/backend.h
// lib/device/native.ts    fillKvCache(device, cache, byte, id): void
void FillKvCache(const Napi::CallbackInfo& info) {
  const auto cache = unwrap<KvCache>(info[1], "cache");
  const u8 byte = static_cast<u8>(unsigned_number(info, 2));
  device_of(info)->submit(std::make_shared<FillJob>(cache->buffer, byte), unsigned_number(info, 3));
}

// Backend::free           addon/backend.h
// lib/device/native.ts    freeKvCache(device, cache): void
void FreeKvCache(const Napi::CallbackInfo& info) {
  auto cache = unwrap<KvCache>(info[1], "cache");
  handle_of<KvCache>(info[1], "cache").value.reset();
  device_of(info)->submit(std::make_shared<FreeJob>(std::move(cache)), 0);
}

// Backend::allocate_host  addon/backend.h
// lib/device/native.ts    allocateHostBlocks(device, cache, count): NativeHostBlocks
//
// Waits for the job that runs just now.
Napi::Value AllocateHostBlocks(const Napi::CallbackInfo& info) {
  const auto cache = unwrap<KvCache>(info[1], "cache");
  const u32 count = unsigned_number(info, 2);
  if (count > kMaxI32) throw_error(info.Env(), "ERR_NATIVE", "count is too large");
  Engine& engine = device_of(info)->engine();
  const auto host = std::make_shared<HostBlocks>(engine.memory(), static_cast<i32>(count),
                                                 cache->view.block_stride);
  AllocateJob job({host->buffer});
  throw_if_failed(info.Env(), engine.run_now(job));
  return wrap(info.Env(), host);
}

// Backend::free_host      addon/backend.h
// lib/device/native.ts    freeHostBlocks(device, host): void
void FreeHostBlocks(const Napi::CallbackInfo& info) {
  auto host = unwrap<HostBlocks>(info[1], "host");
  handle_of<HostBlocks>(info[1], "host").value.reset();
  device_of(info)->submit(std::make_shared<FreeJob>(std::move(host)), 0);
}

// TransferThread::submit  addon/transfer_thread.cpp
// lib/device/native.ts    transfer(device, o: { cache, host, pairs, isToHost }, id): void
void Transfer(const Napi::CallbackInfo& info) {
  const Fields options(info[1]);
  auto cache = unwrap<KvCache>(options.value("cache"), "cache");
  auto host = unwrap<HostBlocks>(options.value("host"), "host");
  std::vector<i32> pairs = options.integers("pairs");
  const bool fits = host->buffer->bytes == static_cast<size_t>(host->count) *
                                               static_cast<size_t>(cache->view.block_stride);
  for (size_t i = 0; i < pairs.size(); i++) {
    const i32 end = i % 2 == 0 ? cache->view.num_blocks : host->count;
    if (!fits || pairs[i] < 0 || pairs[i] >= end) options.refuse("pairs", "inside both sides");
  }
  auto job = std::make_shared<TransferJob>(std::move(cache), std::move(host), std::move(pairs),
                                           options.flag("isToHost"));
  device_of(info)->submit(std::move(job), unsigned_number(info, 2));
}

}  // namespace

void export_kv_cache(Napi::Env env, Napi::Object exports) {
  exports.Set("createKvCache", Napi::Function::New<CreateKvCache>(env, "createKvCache"));
  exports.Set("fillKvCache", Napi::Function::New<FillKvCache>(env, "fillKvCache"));
  exports.Set("freeKvCache", Napi::Function::New<FreeKvCache>(env, "freeKvCache"));
  exports.Set("allocateHostBlocks",
              Napi::Function::New<AllocateHostBlocks>(env, "allocateHostBlocks"));
  exports.Set("freeHostBlocks", Napi::Function::New<FreeHostBlocks>(env, "freeHostBlocks"));
  exports.Set("transfer", Napi::Function::New<Transfer>(env, "transfer"));
}
