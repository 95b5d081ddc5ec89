#include "device_state.h"

#include <algorithm>
#include <cstring>

#include "environment.h"
#include "handles.h"

namespace {

// Reported when all memory of the device is freed.
class CloseJob final : public Job {
 public:
  Status run(Engine&) override { return Status::ok(); }
};

}  // namespace

DeviceState::DeviceState(Environment& environment, std::unique_ptr<Backend> backend,
                         Napi::Function on_completions)
    : environment_(&environment),
      on_completions_(Napi::Persistent(on_completions)),
      engine_(std::move(backend),
              [this, queue = environment.completions()](std::shared_ptr<Job> job) {
                queue->push({this, std::move(job)});
              }) {
  environment_->add(*this);
}

DeviceState::~DeviceState() {
  if (environment_ != nullptr) environment_->remove(*this);
}

void DeviceState::submit(std::shared_ptr<Job> job, u32 id) {
  job->id = id;
  if (id != 0) expect_one();
  engine_.submit(std::move(job));
}

void DeviceState::submit(std::shared_ptr<Job> job, u32 id, Napi::ArrayBuffer into) {
  awaited_results_[id] = Napi::Persistent(into);
  submit(std::move(job), id);
}

void DeviceState::close(u32 id) {
  auto job = std::make_shared<CloseJob>();
  job->id = id;
  close_id_ = id;
  expect_one();
  engine_.close(std::move(job));
}

void DeviceState::expect_one() {
  if (num_unfinished_++ == 0) environment_->hold(shared_from_this());
}

void DeviceState::deliver(Napi::Env env, const std::vector<Completion>& completions) {
  Napi::Array batch = Napi::Array::New(env, completions.size() * 4);
  u32 place = 0;
  for (const Completion& completion : completions) {
    const Job& job = *completion.job;
    const auto awaited = awaited_results_.find(job.id);
    if (awaited != awaited_results_.end()) {
      Napi::ArrayBuffer into = awaited->second.Value();
      const size_t bytes = std::min(into.ByteLength(), job.result.size());
      if (bytes > 0) std::memcpy(into.Data(), job.result.data(), bytes);
      awaited_results_.erase(awaited);
    }
    const bool is_ok = job.status.is_ok();
    batch[place++] = Napi::Number::New(env, job.id);
    batch[place++] = is_ok ? env.Null() : Napi::String::New(env, job.status.code());
    batch[place++] = is_ok ? env.Null() : Napi::String::New(env, job.status.message());
    batch[place++] = cuda_failure(env, job.status);
    if (job.id == close_id_) engine_.join();
  }
  num_unfinished_ -= static_cast<int>(completions.size());
  if (num_unfinished_ == 0) environment_->let_go(shared_from_this());
  on_completions_.Call({batch});
}

void DeviceState::abandon() {
  engine_.cancel();
  awaited_results_.clear();
  on_completions_.Reset();
  environment_ = nullptr;
}
