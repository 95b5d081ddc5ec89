#pragma once
// Translates op records of lib/device/op-records.ts into native ops, once. Checks only that every
// buffer is alive and long enough. JavaScript thread only.

#include "fields.h"
#include "op.h"
#include "step_layout.h"

// The buffers that a recorded op may name, and how many rows a step can have.
struct RecordedBuffers {
  std::shared_ptr<Buffer> arena;
  std::shared_ptr<Buffer> step_tensors;
  std::shared_ptr<Buffer> tables;
  StepLayout layout;
  StepExtents max_extents;
};

// Reads one record. `recorded` is null for an op over concrete tensors.
Op read_op(const Fields& record, const RecordedBuffers* recorded);

// Reads an operand: where it lies, and how many bytes follow. Used for a program's result, too.
struct OperandPlace {
  std::shared_ptr<Buffer> buffer;
  size_t offset;
  size_t bytes;
};
OperandPlace read_operand(const Fields& operand, const RecordedBuffers* recorded);

// "tokens", "seqs", "logitRows", or a count.
Rows read_rows(const Fields& record, const char* name, const RecordedBuffers* recorded);
