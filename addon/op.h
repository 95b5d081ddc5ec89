#pragma once
// One recorded operation: the parameter struct of a Backend function, with operands that become
// pointers on the engine thread and row counts that each step sets.

#include <memory>
#include <variant>
#include <vector>

#include "backend.h"
#include "memory.h"

enum class OpKind : u8 {
  kEmbed,
  kRmsNorm,
  kMatmul,
  kWriteKv,
  kReadKv,
  kRopeAndWriteKv,
  kPagedAttention,
  kSiluMul,
  kGeluMul,
  kGatherRows,
  kScale,
  kSoftcap,
  kCopyBlocks,
  kSample,
};

// The name of an op in lib/device/op-records.ts and in messages.
const char* op_name(OpKind kind);

// What a row count follows. Mirrors Rows in lib/device/op-tensor.ts.
enum class Extent : u8 { kFixed, kTokens, kSeqs, kLogitRows };

struct Rows {
  Extent extent = Extent::kFixed;
  i32 count = 0;  // when fixed
};

// How many rows of each kind one step has, or can have at most.
struct StepExtents {
  i32 num_tokens = 0;
  i32 num_seqs = 0;
  i32 num_logit_rows = 0;

  i32 of(Rows rows) const;
};

using OpParams = std::variant<EmbedParams, RmsNormParams, MatmulParams, WriteKvParams, ReadKvParams,
                              RopeAndWriteKvParams, PagedAttentionParams, GatedMulParams,
                              GatherRowsParams, ElementwiseParams, CopyBlocksParams, SampleParams>;

// The pointer at byte `field` of an op's params is `offset` bytes into `buffer`.
struct Binding {
  size_t field;
  std::shared_ptr<Buffer> buffer;
  size_t offset;
};

struct Op {
  OpKind kind;
  Rows rows;         // of its output
  Rows source_rows;  // gatherRows: rows of x; pagedAttention: sequences
  OpParams params;
  std::vector<Binding> bindings;

  // Engine thread. Sets the pointers; fails when a buffer never got its memory.
  Status bind();
  // Engine thread.
  void set_extents(const StepExtents& extents);
  Status run(Backend& backend) const;
};
