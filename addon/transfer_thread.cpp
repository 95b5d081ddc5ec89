#include "transfer_thread.h"

#include <pthread.h>

#include "engine.h"

TransferJob::TransferJob(std::shared_ptr<KvCache> cache, std::shared_ptr<HostBlocks> host,
                         std::vector<i32> pairs, bool is_to_host)
    : cache_(std::move(cache)),
      host_(std::move(host)),
      pairs_(std::move(pairs)),
      is_to_host_(is_to_host) {}

Status TransferJob::run(Engine& engine) {
  engine.transfers().submit(std::static_pointer_cast<TransferJob>(shared_from_this()));
  return Status::ok();
}

void TransferJob::let_go() {
  cache_.reset();
  host_.reset();
}

Status TransferJob::move_blocks(Engine& engine) {
  return engine.backend().transfer_blocks({.blocks = cache_->buffer->data,
                                           .block_bytes = cache_->view.block_stride,
                                           .host = host_->buffer->data,
                                           .pairs = pairs_.data(),
                                           .num_pairs = static_cast<i32>(pairs_.size() / 2),
                                           .to_host = is_to_host_,
                                           .cancelled = &engine.cancel_flag()});
}

void TransferThread::submit(std::shared_ptr<TransferJob> job) {
  const std::lock_guard lock(mutex_);
  if (!job->is_to_host()) num_pending_writes_++;
  queue_.push_back(std::move(job));
  if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
  wake_.notify_one();
}

void TransferThread::wait_for_writes() {
  std::unique_lock lock(mutex_);
  writes_done_.wait(lock, [this] { return num_pending_writes_ == 0; });
}

void TransferThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void TransferThread::loop() {
  pthread_setname_np(pthread_self(), "pa-transfer");  // for debuggers
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return !queue_.empty() || is_stopping_; });
    if (queue_.empty()) return;
    const std::shared_ptr<TransferJob> job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();

    Status status = job->move_blocks(engine_);
    job->let_go();
    lock.lock();
    if (!job->is_to_host()) num_pending_writes_--;
    writes_done_.notify_all();
    lock.unlock();
    engine_.report(job, std::move(status));
  }
}
