#include "load_jobs.h"

#include <cstring>

#include "float_types.h"

LoadWeightJob::LoadWeightJob(std::shared_ptr<Buffer> weight, DType dtype, i32 in_dim,
                             std::vector<StoredRows> rows)
    : weight_(std::move(weight)), dtype_(dtype), in_dim_(in_dim), rows_(std::move(rows)) {}

Status LoadWeightJob::run(Engine& engine) {
  Status status = engine.memory().allocate(*weight_);
  if (!status.is_ok()) return status;

  std::vector<WeightPart> parts;
  std::vector<std::vector<u8>> copies;  // rows that lie in device memory, brought to the host
  for (const StoredRows& stored : rows_) {
    const void* data = stored.file ? stored.file->data() + stored.offset : nullptr;
    if (stored.buffer) {
      status = stored.buffer->check();
      if (!status.is_ok()) return status;
      const size_t bytes = bytes_of(stored);
      copies.emplace_back(bytes);
      const u8* source = static_cast<const u8*>(stored.buffer->data) + stored.offset;
      status = engine.backend().download(copies.back().data(), source, bytes);
      if (!status.is_ok()) return status;
      data = copies.back().data();
    }
    parts.push_back({data, stored.out_dim, stored.dtype, stored.interleaved_head_dim});
  }
  status = engine.backend().pack_weight(weight_->data, dtype_, in_dim_, parts.data(),
                                        static_cast<int>(parts.size()));
  for (const StoredRows& stored : rows_) {
    if (stored.file) stored.file->give_back(stored.offset, bytes_of(stored));
  }
  return status;
}

size_t LoadWeightJob::bytes_of(const StoredRows& stored) const {
  return static_cast<size_t>(stored.out_dim) *
         static_cast<size_t>(cpu::stored_row_bytes(stored.dtype, in_dim_));
}

void LoadWeightJob::let_go() {
  weight_.reset();
  rows_.clear();
}

LoadTensorJob::LoadTensorJob(std::shared_ptr<Buffer> tensor, std::shared_ptr<MappedFile> file,
                             size_t offset, DType source_dtype, size_t num_elements)
    : tensor_(std::move(tensor)),
      file_(std::move(file)),
      offset_(offset),
      source_dtype_(source_dtype),
      num_elements_(num_elements) {}

Status LoadTensorJob::run(Engine& engine) {
  Status status = engine.memory().allocate(*tensor_);
  if (!status.is_ok() || num_elements_ == 0) return status;
  const u8* source = file_->data() + offset_;
  std::vector<f32> widened(num_elements_);
  for (size_t i = 0; i < num_elements_; i++) widened[i] = load_float(source, source_dtype_, i);
  return engine.backend().upload(tensor_->data, widened.data(), num_elements_ * sizeof(f32));
}

void LoadTensorJob::let_go() {
  tensor_.reset();
  file_.reset();
}
