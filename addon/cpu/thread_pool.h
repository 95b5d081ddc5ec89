#pragma once
// The threads that share an op's work. The engine thread is worker 0 and takes part in everything;
// the others spin for a moment after a job, then park.
//
// A job is `num_items` items that any worker may take, one by one. Nothing about an op's result may
// depend on which worker took what.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "../../cuda/params.h"

namespace cpu {

class ThreadPool {
 public:
  // num_threads counts the calling thread, so 1 starts none.
  explicit ThreadPool(int num_threads);
  // Joins all workers. No job may be running.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return int(workers_.size()) + 1; }

  // Calls body(item, worker) once for each item in [0, num_items), on any worker in
  // [0, num_threads), and returns when all calls have. One thread at a time, not from a body.
  template <class Body>
  void parallel_for(i64 num_items, Body&& body) {
    run(
        num_items,
        [](void* context, i64 item, int worker) {
          (*static_cast<std::remove_reference_t<Body>*>(context))(item, worker);
        },
        &body);
  }

 private:
  using Call = void (*)(void* context, i64 item, int worker);

  void run(i64 num_items, Call call, void* context);
  void work(int worker);
  // Takes items until none is left.
  void take_items(int worker);
  // Joins the open job of a newer epoch than `seen`, if there is one; updates `seen`.
  bool try_join(u64* seen);
  void wait_for_job(u64 seen);

  // state_: epoch << 32 | open << 31 | workers inside the job. The job's fields change only while
  // nobody is inside and it is not open.
  static constexpr u64 kOpen = u64(1) << 31;
  static constexpr u64 kInside = kOpen - 1;
  static constexpr int kEpochShift = 32;

  alignas(64) std::atomic<u64> state_{0};
  alignas(64) std::atomic<i64> next_item_{0};
  i64 num_items_ = 0;
  Call call_ = nullptr;
  void* context_ = nullptr;

  alignas(64) std::atomic<int> num_parked_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
};

}  // namespace cpu
