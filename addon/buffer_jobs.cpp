#include "buffer_jobs.h"

namespace {

Status check_allocated(const Buffer& buffer) {
  if (buffer.data != nullptr || buffer.bytes == 0) return Status::ok();
  return Status::error("ERR_OUT_OF_MEMORY", "a tensor of " + std::to_string(buffer.bytes) +
                                                " bytes was never allocated");
}

}  // namespace

Status AllocateJob::run(Engine& engine) {
  for (const auto& buffer : buffers_) {
    const Status status = engine.memory().allocate(*buffer);
    if (!status.is_ok()) return status;
  }
  return Status::ok();
}

Status WriteJob::run(Engine& engine) {
  Status status = check_allocated(*buffer_);
  if (!status.is_ok() || bytes_.empty()) return status;
  return engine.backend().upload(buffer_->data, bytes_.data(), bytes_.size());
}

Status ReadJob::run(Engine& engine) {
  Status status = check_allocated(*buffer_);
  if (!status.is_ok() || buffer_->bytes == 0) return status;
  result.resize(buffer_->bytes);
  return engine.backend().download(result.data(), buffer_->data, buffer_->bytes);
}

Status FillJob::run(Engine& engine) {
  Status status = check_allocated(*buffer_);
  if (!status.is_ok() || buffer_->bytes == 0) return status;
  return engine.backend().fill(buffer_->data, byte_, buffer_->bytes);
}
