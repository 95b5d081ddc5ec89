#include "buffer_jobs.h"

Status AllocateJob::run(Engine& engine) {
  for (const auto& buffer : buffers_) {
    const Status status = engine.memory().allocate(*buffer);
    if (!status.is_ok()) return status;
  }
  return Status::ok();
}

Status WriteJob::run(Engine& engine) {
  Status status = buffer_->check();
  if (!status.is_ok() || bytes_.empty()) return status;
  return engine.backend().upload(buffer_->data, bytes_.data(), bytes_.size());
}

Status ReadJob::run(Engine& engine) {
  Status status = buffer_->check();
  if (!status.is_ok() || buffer_->bytes == 0) return status;
  result.resize(buffer_->bytes);
  return engine.backend().download(result.data(), buffer_->data, buffer_->bytes);
}

Status FillJob::run(Engine& engine) {
  Status status = buffer_->check();
  if (!status.is_ok() || buffer_->bytes == 0) return status;
  return engine.backend().fill(buffer_->data, byte_, buffer_->bytes);
}
