#include "gpu.h"

#include "../runtime.h"
#include "stream_queue.h"

namespace emulated {
namespace {

using namespace cuda;  // the results' names

thread_local CuContext current_context = nullptr;

// One context, whose handle is an address that nothing else has.
CuContext the_context() {
  static char context;
  return reinterpret_cast<CuContext>(&context);
}

// Results after which a real context gives nothing but them. A list of its own: the addon's is
// under test.
bool is_sticky(CuResult result) {
  return result == kCuEccUncorrectable || result == kCuNvlinkUncorrectable ||
         result == kCuContained || result == kCuUnknown || result == kCuIllegalAddress ||
         result == kCuLaunchTimeout || result == kCuAssert ||
         (result >= kCuHardwareStackError && result <= kCuLaunchFailed);
}

}  // namespace

Gpu& gpu() {
  static Gpu* const the_gpu = new Gpu();  // never destroyed: streams may outlive main
  return *the_gpu;
}

CuResult Gpu::count_call(const std::string& call) {
  calls_[call]++;
  const auto armed = armed_.find(call);
  if (armed == armed_.end() || --armed->second.left > 0) return kCuSuccess;
  const CuResult result = armed->second.result;
  armed_.erase(armed);
  return result;
}

CuResult Gpu::begin(const char* call, Needs needs) {
  {
    const std::lock_guard lock(mutex_);
    const CuResult injected = count_call(call);
    if (is_sticky(injected) && num_holders_ > 0) failure_ = injected;
    if (injected != kCuSuccess) return injected;
    if (needs == Needs::kNothing) return kCuSuccess;
    if (!is_initialised_) return kCuNotInitialized;
    if (needs == Needs::kInit) return kCuSuccess;
    if (current_context == nullptr || num_holders_ == 0) return kCuInvalidContext;
    if (failure_ != kCuSuccess) return failure_;
  }
  if (needs == Needs::kNoCapture && invalidate_own_capture()) return kCuCaptureUnsupported;
  return kCuSuccess;
}

void Gpu::init() {
  const std::lock_guard lock(mutex_);
  is_initialised_ = true;
  if (num_holders_ > 0) return;
  settings_ = read_settings();
  set_max_delay_us(settings_.max_delay_us, settings_.seed);
  std::erase_if(armed_, [](const auto& armed) { return armed.second.is_of_environment; });
  for (const ArmedFailure& failure : read_failures()) {
    armed_[failure.call] = {failure.n, CuResult(failure.result), true};
  }
}

Settings Gpu::settings() const {
  const std::lock_guard lock(mutex_);
  return settings_;
}

CuResult Gpu::retain(CuContext* context) {
  const std::lock_guard lock(mutex_);
  num_holders_++;
  *context = the_context();
  return kCuSuccess;
}

CuResult Gpu::release() {
  std::map<const void*, std::function<void()>> leaked;
  {
    const std::lock_guard lock(mutex_);
    if (num_holders_ == 0) return kCuInvalidContext;
    if (--num_holders_ > 0) return kCuSuccess;
    num_leaks_ = i64(things_.size() + memory_.size() + pinned_.size());
    leaked.swap(things_);
  }
  for (const auto& [thing, destroy] : leaked) destroy();  // streams finish what they have begun
  const std::lock_guard lock(mutex_);
  for (const auto& [data, bytes] : memory_) emulation::free_device(const_cast<void*>(data));
  for (const auto& [data, bytes] : pinned_) emulation::free_device(const_cast<char*>(data));
  memory_.clear();
  pinned_.clear();
  bytes_held_ = 0;
  failure_ = kCuSuccess;
  return kCuSuccess;
}

void Gpu::set_current(CuContext context) { current_context = context; }

void Gpu::add(const void* thing, std::function<void()> destroy) {
  const std::lock_guard lock(mutex_);
  things_[thing] = std::move(destroy);
}

bool Gpu::remove(const void* thing) {
  const std::lock_guard lock(mutex_);
  return things_.erase(thing) > 0;
}

bool Gpu::is_alive(const void* thing) const {
  const std::lock_guard lock(mutex_);
  return things_.contains(thing);
}

bool Gpu::take_bytes(size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > size_t(settings_.memory_bytes) - bytes_held_) return false;
  bytes_held_ += bytes;
  return true;
}

void Gpu::give_bytes(size_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_held_ -= bytes;
}

size_t Gpu::free_bytes() const {
  const std::lock_guard lock(mutex_);
  return size_t(settings_.memory_bytes) - bytes_held_;
}

i64 Gpu::bytes_held() const {
  const std::lock_guard lock(mutex_);
  return i64(bytes_held_);
}

void Gpu::add_memory(void* data, size_t bytes) {
  const std::lock_guard lock(mutex_);
  memory_[data] = bytes;
}

bool Gpu::remove_memory(void* data) {
  const std::lock_guard lock(mutex_);
  const auto found = memory_.find(data);
  if (found == memory_.end()) return false;
  bytes_held_ -= found->second;
  memory_.erase(found);
  return true;
}

void Gpu::add_pinned(void* data, size_t bytes) {
  const std::lock_guard lock(mutex_);
  pinned_[static_cast<const char*>(data)] = bytes;
}

bool Gpu::remove_pinned(void* data) {
  const std::lock_guard lock(mutex_);
  return pinned_.erase(static_cast<const char*>(data)) > 0;
}

bool Gpu::is_pinned(const void* data, size_t bytes) const {
  const std::lock_guard lock(mutex_);
  const char* const place = static_cast<const char*>(data);
  auto after = pinned_.upper_bound(place);
  if (after == pinned_.begin()) return false;
  --after;
  return size_t(place - after->first) + bytes <= after->second;
}

void Gpu::fail(CuResult result) {
  if (is_sticky(result)) failure_ = result;
}

CuResult Gpu::begin_kernel() {
  const std::lock_guard lock(mutex_);
  return count_call("kernel");
}

void Gpu::arm(const std::string& call, i32 n, i32 result) {
  const std::lock_guard lock(mutex_);
  armed_[call] = {n, CuResult(result), false};
}

i64 Gpu::num_calls(const std::string& call) const {
  const std::lock_guard lock(mutex_);
  const auto found = calls_.find(call);
  return found == calls_.end() ? 0 : found->second;
}

}  // namespace emulated
