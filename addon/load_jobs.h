#pragma once
// Jobs that bring weights and small tensors onto the device, from files or from other tensors.

#include "engine.h"
#include "mapped_file.h"

// Rows of a weight as they are stored, in a file or in a tensor; exactly one of the two is set.
struct StoredRows {
  std::shared_ptr<MappedFile> file;
  std::shared_ptr<Buffer> buffer;
  size_t offset;  // bytes
  DType dtype;    // kInt8 and kInt4: blocks, see cpu/stored_rows.h
  i32 out_dim;
  i32 interleaved_head_dim = 0;
};

// Packs rows, stacked in order, into `weight`.
class LoadWeightJob final : public Job {
 public:
  LoadWeightJob(std::shared_ptr<Buffer> weight, DType dtype, i32 in_dim,
                std::vector<StoredRows> rows);
  Status run(Engine& engine) override;
  void let_go() override;

 private:
  size_t bytes_of(const StoredRows& stored) const;

  std::shared_ptr<Buffer> weight_;
  const DType dtype_;
  const i32 in_dim_;
  std::vector<StoredRows> rows_;
};

// Widens `num_elements` floats of a file to f32.
class LoadTensorJob final : public Job {
 public:
  LoadTensorJob(std::shared_ptr<Buffer> tensor, std::shared_ptr<MappedFile> file, size_t offset,
                DType source_dtype, size_t num_elements);
  Status run(Engine& engine) override;
  void let_go() override;

 private:
  std::shared_ptr<Buffer> tensor_;
  std::shared_ptr<MappedFile> file_;
  const size_t offset_;
  const DType source_dtype_;
  const size_t num_elements_;
};
