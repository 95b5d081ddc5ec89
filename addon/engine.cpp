#include "engine.h"

#include <pthread.h>

#include "live_objects.h"

namespace {

Status closed_status() { return Status::error("ERR_CLOSED", "the device was closed"); }

}  // namespace

Engine::Engine(std::unique_ptr<Backend> backend, OnDone on_done)
    : backend_(std::move(backend)),
      info_(backend_->info()),
      memory_(std::make_shared<Memory>(backend_.get())),
      on_done_(std::move(on_done)),
      transfers_(*this) {
  live_engines++;
  thread_ = std::thread([this] { loop(); });
}

Engine::~Engine() { cancel(); }

void Engine::submit(std::shared_ptr<Job> job) {
  {
    const std::lock_guard lock(mutex_);
    if (!is_closing_) {
      queue_.push_back(std::move(job));
      wake_.notify_one();
      return;
    }
  }
  job->let_go();
  report(std::move(job), closed_status());
}

Status Engine::run_now(Job& job) {
  std::unique_lock lock(mutex_);
  if (is_closing_) return closed_status();
  urgent_job_ = &job;
  wake_.notify_one();
  urgent_done_.wait(lock, [this] { return urgent_job_ == nullptr || has_ended_; });
  if (urgent_job_ == nullptr) return job.status;
  urgent_job_ = nullptr;
  return closed_status();
}

void Engine::close(std::shared_ptr<Job> job) {
  const std::lock_guard lock(mutex_);
  is_closing_ = true;
  close_job_ = std::move(job);
  wake_.notify_one();
}

void Engine::cancel() {
  is_cancelled_.store(true);
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
    wake_.notify_one();
  }
  join();
}

void Engine::join() {
  if (thread_.joinable()) thread_.join();
}

void Engine::report(std::shared_ptr<Job> job, Status status) {
  job->status = std::move(status);
  if (job->id != 0) on_done_(std::move(job));
}

void Engine::loop() {
  pthread_setname_np(pthread_self(), "pa-engine");  // for debuggers
  while (const std::shared_ptr<Job> job = next_job()) run_job(job);
  free_everything();
}

// The next job in line, once urgent ones are done; null when the thread shall end.
std::shared_ptr<Job> Engine::next_job() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return urgent_job_ != nullptr || !queue_.empty() || is_closing_; });
    if (urgent_job_ != nullptr) {
      Job* job = urgent_job_;
      lock.unlock();
      run_urgent_job(*job);
      continue;
    }
    if (queue_.empty()) return nullptr;
    std::shared_ptr<Job> job = std::move(queue_.front());
    queue_.pop_front();
    return job;
  }
}

void Engine::run_urgent_job(Job& job) {
  memory_->collect();
  job.status = is_cancelled() ? closed_status() : job.run(*this);
  job.let_go();
  const std::lock_guard lock(mutex_);
  urgent_job_ = nullptr;
  urgent_done_.notify_all();
}

void Engine::run_job(const std::shared_ptr<Job>& job) {
  memory_->collect();
  if (!job->is_handed_over()) transfers_.wait_for_writes();
  Status status = is_cancelled() ? closed_status() : job->run(*this);
  if (job->is_handed_over() && status.is_ok()) return;
  job->let_go();
  memory_->collect();
  report(job, std::move(status));
}

void Engine::free_everything() {
  transfers_.stop();
  memory_->close();
  backend_.reset();
  live_engines--;
  std::shared_ptr<Job> close_job;
  {
    const std::lock_guard lock(mutex_);
    has_ended_ = true;
    urgent_done_.notify_all();
    close_job = std::move(close_job_);
  }
  if (close_job != nullptr) report(std::move(close_job), Status::ok());
}
