#pragma once
// Jobs that run one op over concrete tensors.

#include "engine.h"
#include "op.h"
#include "sampling_slots.h"
#include "step_result.h"

class RunOpJob final : public Job {
 public:
  explicit RunOpJob(Op op) : op_(std::move(op)) {}
  Status run(Engine& engine) override;
  void let_go() override { op_.bindings.clear(); }

 private:
  void count(Engine& engine) const;

  Op op_;
};

// Draws from logits with slots of its own.
class RunSampleJob final : public Job {
 public:
  // `op` is a sample op with its logits bound and its rows fixed.
  RunSampleJob(Op op, std::vector<SlotSetting> slots, std::vector<i32> row_slots,
               std::vector<i32> row_positions, bool want_digests);
  Status run(Engine& engine) override;
  void let_go() override { op_.bindings.clear(); }

 private:
  Op op_;
  const std::vector<SlotSetting> slots_;
  const std::vector<i32> row_slots_;
  const std::vector<i32> row_positions_;
  const bool want_digests_;
};
