#include "completion_queue.h"

void CompletionQueue::close() {
  const std::lock_guard lock(mutex_);
  notify_ = nullptr;
  completions_.clear();
}

std::vector<Completion> CompletionQueue::take_all() {
  const std::lock_guard lock(mutex_);
  is_notified_ = false;
  return std::exchange(completions_, {});
}

void CompletionQueue::push(Completion completion) {
  const std::lock_guard lock(mutex_);
  if (notify_ == nullptr) return;
  completions_.push_back(std::move(completion));
  if (is_notified_) return;
  is_notified_ = napi_call_threadsafe_function(notify_, nullptr, napi_tsfn_nonblocking) == napi_ok;
}
