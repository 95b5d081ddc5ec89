#include "thread_pool.h"

#include "float_mode.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace cpu {
namespace {

// About 50 us: an op's next sibling usually comes sooner, and parking costs two switches.
constexpr int kSpinsBeforeParking = 2000;
constexpr int kSpinsBeforeYielding = 64;

void pause_briefly() {
#if defined(__SSE2__)
  _mm_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int num_threads) {
  for (int worker = 1; worker < num_threads; ++worker) {
    workers_.emplace_back([this, worker] { work(worker); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_.store(true);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::take_items(int worker) {
  for (;;) {
    const i64 item = next_item_.fetch_add(1, std::memory_order_relaxed);
    if (item >= num_items_) return;
    call_(context_, item, worker);
  }
}

void ThreadPool::run(i64 num_items, Call call, void* context) {
  if (num_items <= 0) return;
  if (num_items == 1 || workers_.empty()) {
    for (i64 item = 0; item < num_items; ++item) call(context, item, 0);
    return;
  }
  num_items_ = num_items;
  call_ = call;
  context_ = context;
  next_item_.store(0, std::memory_order_relaxed);
  const u64 epoch = (state_.load(std::memory_order_relaxed) >> kEpochShift) + 1;
  state_.store((epoch << kEpochShift) | kOpen);
  if (num_parked_.load() > 0) {
    const std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }

  take_items(0);

  // Who has not joined by now finds nothing to do, and is not waited for.
  state_.fetch_and(~kOpen);
  for (int spins = 0; (state_.load(std::memory_order_acquire) & kInside) != 0; ++spins) {
    if (spins < kSpinsBeforeYielding) {
      pause_briefly();
    } else {
      std::this_thread::yield();
    }
  }
}

bool ThreadPool::try_join(u64* seen) {
  u64 state = state_.load(std::memory_order_acquire);
  while ((state >> kEpochShift) != *seen) {
    if ((state & kOpen) == 0) {
      *seen = state >> kEpochShift;
      return false;
    }
    if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) {
      *seen = state >> kEpochShift;
      return true;
    }
  }
  return false;
}

void ThreadPool::wait_for_job(u64 seen) {
  for (int spins = 0; spins < kSpinsBeforeParking; ++spins) {
    if ((state_.load(std::memory_order_relaxed) >> kEpochShift) != seen) return;
    if (stopping_.load(std::memory_order_relaxed)) return;
    pause_briefly();
  }
  // Sequentially consistent on both sides: either run() sees the parked worker or it sees the job.
  std::unique_lock<std::mutex> lock(mutex_);
  num_parked_.fetch_add(1);
  wake_.wait(lock, [&] { return (state_.load() >> kEpochShift) != seen || stopping_.load(); });
  num_parked_.fetch_sub(1);
}

void ThreadPool::work(int worker) {
  const FloatModeScope float_mode;
  u64 seen = 0;
  while (!stopping_.load(std::memory_order_relaxed)) {
    wait_for_job(seen);
    if (!try_join(&seen)) continue;
    take_items(worker);
    state_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace cpu
