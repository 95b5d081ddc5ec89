#include "op.h"

#include <cstring>

const char* op_name(OpKind kind) {
  constexpr const char* kNames[] = {
      "embed",   "rmsNorm", "matmul",     "writeKv", "readKv",  "ropeAndWriteKv", "pagedAttention",
      "siluMul", "geluMul", "gatherRows", "scale",   "softcap", "copyBlocks",     "sample"};
  return kNames[static_cast<size_t>(kind)];
}

i32 StepExtents::of(Rows rows) const {
  switch (rows.extent) {
    case Extent::kTokens:
      return num_tokens;
    case Extent::kSeqs:
      return num_seqs;
    case Extent::kLogitRows:
      return num_logit_rows;
    case Extent::kFixed:
      return rows.count;
  }
  return 0;
}

Status Op::bind() {
  u8* const fields = std::visit([](auto& p) { return reinterpret_cast<u8*>(&p); }, params);
  for (const Binding& binding : bindings) {
    const Status status = binding.buffer->check();
    if (!status.is_ok()) return status.with_message(op_name(kind) + (": " + status.message()));
    const void* pointer = static_cast<u8*>(binding.buffer->data) + binding.offset;
    std::memcpy(fields + binding.field, static_cast<const void*>(&pointer), sizeof pointer);
  }
  return Status::ok();
}

void Op::set_extents(const StepExtents& extents) {
  const i32 n = extents.of(rows);
  if (auto* p = std::get_if<EmbedParams>(&params)) p->num_tokens = n;
  if (auto* p = std::get_if<RmsNormParams>(&params)) p->num_rows = n;
  if (auto* p = std::get_if<MatmulParams>(&params)) p->num_rows = n;
  if (auto* p = std::get_if<WriteKvParams>(&params)) p->num_tokens = n;
  if (auto* p = std::get_if<ReadKvParams>(&params)) p->num_slots = n;
  if (auto* p = std::get_if<RopeAndWriteKvParams>(&params)) p->num_tokens = n;
  if (auto* p = std::get_if<PagedAttentionParams>(&params)) {
    p->num_tokens = n;
    p->num_seqs = extents.of(source_rows);
  }
  if (auto* p = std::get_if<GatedMulParams>(&params)) p->num_rows = n;
  if (auto* p = std::get_if<GatherRowsParams>(&params)) {
    p->num_rows = n;
    p->num_source_rows = extents.of(source_rows);
  }
  if (auto* p = std::get_if<ElementwiseParams>(&params)) p->num_rows = n;
  if (auto* p = std::get_if<CopyBlocksParams>(&params)) p->num_pairs = n;
  if (auto* p = std::get_if<SampleParams>(&params)) p->num_rows = n;
}

Status Op::run(Backend& backend) const {
  switch (kind) {
    case OpKind::kEmbed:
      return backend.embed(std::get<EmbedParams>(params));
    case OpKind::kRmsNorm:
      return backend.rms_norm(std::get<RmsNormParams>(params));
    case OpKind::kMatmul:
      return backend.matmul(std::get<MatmulParams>(params));
    case OpKind::kWriteKv:
      return backend.write_kv(std::get<WriteKvParams>(params));
    case OpKind::kReadKv:
      return backend.read_kv(std::get<ReadKvParams>(params));
    case OpKind::kRopeAndWriteKv:
      return backend.rope_and_write_kv(std::get<RopeAndWriteKvParams>(params));
    case OpKind::kPagedAttention:
      return backend.paged_attention(std::get<PagedAttentionParams>(params));
    case OpKind::kSiluMul:
      return backend.silu_mul(std::get<GatedMulParams>(params));
    case OpKind::kGeluMul:
      return backend.gelu_mul(std::get<GatedMulParams>(params));
    case OpKind::kGatherRows:
      return backend.gather_rows(std::get<GatherRowsParams>(params));
    case OpKind::kScale:
      return backend.scale(std::get<ElementwiseParams>(params));
    case OpKind::kSoftcap:
      return backend.softcap(std::get<ElementwiseParams>(params));
    case OpKind::kCopyBlocks:
      return backend.copy_blocks(std::get<CopyBlocksParams>(params));
    case OpKind::kSample:
      return backend.sample(std::get<SampleParams>(params));
  }
  return Status::ok();
}
