#pragma once
// The engine thread of one device: it runs jobs in the order they were submitted and is worker 0 of
// the CPU backend's pool. Everything below is called on the JavaScript thread of the environment
// that opened the device, unless it says otherwise.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "backend.h"
#include "counters.h"
#include "job.h"
#include "memory.h"
#include "transfer_thread.h"

class Engine {
 public:
  // `on_done` is called on the engine or transfer thread, once for each finished job that has an
  // id.
  using OnDone = std::function<void(std::shared_ptr<Job>)>;

  Engine(std::unique_ptr<Backend> backend, OnDone on_done);
  ~Engine();  // cancels

  // Queues a job. After close() or cancel() it is reported as ERR_CLOSED without running.
  void submit(std::shared_ptr<Job> job);
  // Runs a job ahead of the queue, between two others, and waits for it. Not reported.
  Status run_now(Job& job);
  // Ends the thread after the queued jobs. Reports `job` when all memory is freed.
  void close(std::shared_ptr<Job> job);
  // Ends the thread before the next op; queued jobs are reported as ERR_CLOSED. Joins.
  void cancel();
  // Waits for the thread to end; close() or cancel() must have been called.
  void join();

  // Any thread.
  bool is_cancelled() const { return is_cancelled_.load(std::memory_order_relaxed); }
  const std::atomic<bool>& cancel_flag() const { return is_cancelled_; }
  const BackendInfo& info() const { return info_; }
  Counters& counters() { return counters_; }
  Memory& memory() { return *memory_; }
  void report(std::shared_ptr<Job> job, Status status);
  // Bytes that a packed weight takes; constant.
  size_t packed_bytes(DType dtype, i32 out_dim, i32 in_dim) const {
    return backend_->packed_bytes(dtype, out_dim, in_dim);
  }
  bool supports_weights(DType dtype) const { return backend_->supports_weights(dtype); }
  bool supports_cache(DType dtype) const { return backend_->supports_cache(dtype); }

  // Engine thread; transfers move blocks on theirs.
  Backend& backend() { return *backend_; }
  TransferThread& transfers() { return transfers_; }

 private:
  void loop();
  std::shared_ptr<Job> next_job();
  void run_job(const std::shared_ptr<Job>& job);
  void run_urgent_job(Job& job);
  void free_everything();

  std::unique_ptr<Backend> backend_;  // engine thread, once the thread runs
  const BackendInfo info_;
  const std::shared_ptr<Memory> memory_;
  const OnDone on_done_;
  Counters counters_;
  TransferThread transfers_;
  std::atomic<bool> is_cancelled_{false};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable urgent_done_;
  std::deque<std::shared_ptr<Job>> queue_;  // guarded by mutex_
  Job* urgent_job_ = nullptr;               // guarded by mutex_
  bool is_closing_ = false;                 // guarded by mutex_
  bool has_ended_ = false;                  // guarded by mutex_
  std::shared_ptr<Job> close_job_;          // guarded by mutex_
  std::thread thread_;
};
