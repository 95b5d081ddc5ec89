#pragma once
// Jobs that allocate, fill, read and free buffers.

#include "engine.h"

class AllocateJob final : public Job {
 public:
  explicit AllocateJob(std::vector<std::shared_ptr<Buffer>> buffers)
      : buffers_(std::move(buffers)) {}
  Status run(Engine& engine) override;
  void let_go() override { buffers_.clear(); }

 private:
  std::vector<std::shared_ptr<Buffer>> buffers_;
};

class WriteJob final : public Job {
 public:
  WriteJob(std::shared_ptr<Buffer> buffer, std::vector<u8> bytes)
      : buffer_(std::move(buffer)), bytes_(std::move(bytes)) {}
  Status run(Engine& engine) override;
  void let_go() override { buffer_.reset(); }

 private:
  std::shared_ptr<Buffer> buffer_;
  std::vector<u8> bytes_;
};

class ReadJob final : public Job {
 public:
  explicit ReadJob(std::shared_ptr<Buffer> buffer) : buffer_(std::move(buffer)) {}
  Status run(Engine& engine) override;
  void let_go() override { buffer_.reset(); }

 private:
  std::shared_ptr<Buffer> buffer_;
};

class FillJob final : public Job {
 public:
  FillJob(std::shared_ptr<Buffer> buffer, u8 byte) : buffer_(std::move(buffer)), byte_(byte) {}
  Status run(Engine& engine) override;
  void let_go() override { buffer_.reset(); }

 private:
  std::shared_ptr<Buffer> buffer_;
  const u8 byte_;
};

// Lets go of something when its turn comes, so that jobs queued before it still find it.
class FreeJob final : public Job {
 public:
  explicit FreeJob(std::shared_ptr<void> held) : held_(std::move(held)) {}
  Status run(Engine&) override { return Status::ok(); }
  void let_go() override { held_.reset(); }

 private:
  std::shared_ptr<void> held_;
};

// Does nothing; it is reported when everything before it has run.
class MarkerJob final : public Job {
 public:
  Status run(Engine&) override { return Status::ok(); }
};
