#include "stream_queue.h"

#include <chrono>
#include <random>

namespace emulated {
namespace {

// One lock for all marks: there are few, and they are short.
std::mutex& marks_mutex() {
  static std::mutex* const mutex = new std::mutex();
  return *mutex;
}
std::condition_variable& mark_reached() {
  static auto* const reached = new std::condition_variable();
  return *reached;
}

std::atomic<i32> max_delay_us{0};
std::atomic<u64> delay_state{1};

void delay() {
  const i32 max_us = max_delay_us.load();
  if (max_us <= 0) return;
  u64 random = delay_state.fetch_add(0x9e3779b97f4a7c15u);
  random = (random ^ (random >> 30)) * 0xbf58476d1ce4e5b9u;
  random = (random ^ (random >> 27)) * 0x94d049bb133111ebu;
  std::this_thread::sleep_for(std::chrono::microseconds((random >> 33) % u64(max_us + 1)));
}

thread_local cuda::CuStreamHandle* own_capture = nullptr;

}  // namespace

void Mark::reach() {
  const std::lock_guard lock(marks_mutex());
  is_reached_ = true;
  mark_reached().notify_all();
}

void Mark::wait() {
  std::unique_lock lock(marks_mutex());
  mark_reached().wait(lock, [this] { return is_reached_; });
}

void set_max_delay_us(i32 max_us, u64 seed) {
  max_delay_us = max_us;
  delay_state = seed;
}

bool invalidate_own_capture() {
  if (own_capture == nullptr) return false;
  own_capture->invalidate_capture();
  return true;
}

}  // namespace emulated

namespace cuda {

CuStreamHandle::CuStreamHandle() : thread_([this] { loop(); }) {}

CuStreamHandle::~CuStreamHandle() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    wake_.notify_one();
  }
  thread_.join();
  if (emulated::own_capture == this) emulated::own_capture = nullptr;
}

CuResult CuStreamHandle::push(emulated::Work work) {
  const std::lock_guard lock(mutex_);
  if (!capture_.is_active) {
    queue_.push_back({std::move(work), nullptr});
    wake_.notify_one();
    return kCuSuccess;
  }
  if (capture_.owner != std::this_thread::get_id()) {
    capture_.is_valid = false;
    return kCuCaptureIsolation;
  }
  if (!capture_.is_valid) return kCuCaptureInvalidated;
  capture_.nodes.push_back(std::move(work));
  return kCuSuccess;
}

CuResult CuStreamHandle::push_mark(std::function<void()> mark) {
  if (const CuResult result = check_not_capturing(); result != kCuSuccess) return result;
  const std::lock_guard lock(mutex_);
  queue_.push_back({nullptr, std::move(mark)});
  wake_.notify_one();
  return kCuSuccess;
}

CuResult CuStreamHandle::wait_until_idle() {
  if (const CuResult result = check_not_capturing(); result != kCuSuccess) return result;
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return queue_.empty() && !is_busy_; });
  return emulated::gpu().failure();
}

CuResult CuStreamHandle::begin_capture() {
  const std::lock_guard lock(mutex_);
  if (capture_.is_active) return kCuIllegalState;
  capture_ = {true, true, std::this_thread::get_id(), {}};
  emulated::own_capture = this;
  return kCuSuccess;
}

CuResult CuStreamHandle::end_capture(std::vector<emulated::Work>* nodes) {
  const std::lock_guard lock(mutex_);
  if (!capture_.is_active) return kCuIllegalState;
  if (capture_.owner != std::this_thread::get_id()) return kCuCaptureWrongThread;
  const bool is_valid = capture_.is_valid;
  nodes->swap(capture_.nodes);
  capture_ = {};
  emulated::own_capture = nullptr;
  return is_valid ? kCuSuccess : kCuCaptureInvalidated;
}

CuResult CuStreamHandle::check_not_capturing() {
  const std::lock_guard lock(mutex_);
  if (!capture_.is_active) return kCuSuccess;
  capture_.is_valid = false;
  return capture_.owner == std::this_thread::get_id() ? kCuCaptureUnsupported : kCuCaptureIsolation;
}

void CuStreamHandle::invalidate_capture() {
  const std::lock_guard lock(mutex_);
  capture_.is_valid = false;
}

void CuStreamHandle::do_item(const Item& item) {
  emulated::delay();
  if (item.mark) {
    item.mark();
    return;
  }
  if (emulated::gpu().failure() != kCuSuccess) return;
  emulated::gpu().fail(item.work());
}

void CuStreamHandle::loop() {
  for (;;) {
    std::unique_lock lock(mutex_);
    is_busy_ = false;
    if (queue_.empty()) idle_.notify_all();
    wake_.wait(lock, [this] { return !queue_.empty() || is_stopping_; });
    if (queue_.empty()) return;
    const Item item = std::move(queue_.front());
    queue_.pop_front();
    is_busy_ = true;
    lock.unlock();
    do_item(item);
  }
}

}  // namespace cuda
