#include "op_reader.h"

#include <cstring>

#include "float_types.h"

namespace {

// Reads the fields of one record into one Op.
class OpReader {
 public:
  OpReader(const Fields& record, const RecordedBuffers* recorded)
      : record_(record), recorded_(recorded) {
    op.rows = read_rows(record, "rows", recorded);
  }

  // The operand `name` becomes the pointer at byte `field` of the params; it must have `elements`
  // of `element_bytes`. Left out, the pointer stays null.
  void operand(const char* name, size_t field, i64 elements, size_t element_bytes) {
    if (!record_.has(name)) return;
    const OperandPlace place = read_operand(record_.object(name), recorded_);
    require(name, place.bytes, elements, element_bytes);
    op.bindings.push_back({field, place.buffer, place.offset});
  }
  void required(const char* name, size_t field, i64 elements, size_t element_bytes) {
    if (!record_.has(name)) record_.refuse(name, "given");
    operand(name, field, elements, element_bytes);
  }

  PackedWeight weight(const char* name, size_t field) {
    const Fields weight = record_.object(name);
    PackedWeight packed = {nullptr, static_cast<i32>(weight.count("outDim", kMaxI32)),
                           static_cast<i32>(weight.count("inDim", kMaxI32)),
                           weight.weight_dtype("dtype")};
    op.bindings.push_back(
        {field + offsetof(PackedWeight, data), unwrap<Buffer>(weight.value("packed"), name), 0});
    return packed;
  }

  // The cache; `layer` is checked against it.
  KvCacheView cache(size_t field) {
    const std::shared_ptr<KvCache> cache = unwrap<KvCache>(record_.value("cache"), "cache");
    op.bindings.push_back({field + offsetof(KvCacheView, data), cache->buffer, 0});
    if (record_.has("layer")) record_.count("layer", cache->view.num_layers - 1);
    return cache->view;
  }

  Rows rows(const char* name) const { return read_rows(record_, name, recorded_); }
  i64 max_of(Rows rows) const {
    return recorded_ == nullptr ? rows.count : recorded_->max_extents.of(rows);
  }
  i64 max_rows() const { return max_of(op.rows); }
  i32 extent(const char* name) const { return static_cast<i32>(record_.count(name, kMaxI32)); }
  i32 num_heads() const { return static_cast<i32>(record_.count("numHeads", 65536)); }
  const Fields& fields() const { return record_; }

  Op op;

 private:
  static constexpr i64 kMaxI32 = 0x7fffffff;

  void require(const char* name, size_t bytes, i64 elements, size_t element_bytes) const {
    if (elements <= static_cast<i64>(bytes / element_bytes)) return;
    record_.refuse(name,
                   ("as long as the op needs: " + std::to_string(elements) + " elements").c_str());
  }

  const Fields& record_;
  const RecordedBuffers* const recorded_;
};

#define FIELD(Params, name) offsetof(Params, name)
constexpr size_t kF32Bytes = sizeof(f32), kI32Bytes = sizeof(i32);

OpParams read_embed(OpReader& in) {
  EmbedParams p{};
  p.table = in.weight("table", FIELD(EmbedParams, table));
  const i64 n = in.max_rows();
  in.op.source_rows.count = in.extent("numVectors");
  in.required("out", FIELD(EmbedParams, out), n * p.table.in_dim, kF32Bytes);
  in.required("ids", FIELD(EmbedParams, ids), n, kI32Bytes);
  in.operand("vectors", FIELD(EmbedParams, vectors), i64{in.op.source_rows.count} * p.table.in_dim,
             kF32Bytes);
  in.operand("vectorRows", FIELD(EmbedParams, vector_rows), n, kI32Bytes);
  return p;
}

OpParams read_rms_norm(OpReader& in) {
  RmsNormParams p{};
  p.hidden = in.extent("hidden");
  p.eps = in.fields().real("eps");
  p.weight_offset = in.fields().real("weightOffset");
  p.out_dtype = in.fields().dtype("outDtype");
  const i64 elements = in.max_rows() * p.hidden;
  in.required("out", FIELD(RmsNormParams, out), elements, dtype_bytes(p.out_dtype));
  in.required("x", FIELD(RmsNormParams, x), elements, kF32Bytes);
  in.operand("residual", FIELD(RmsNormParams, residual), elements, kF32Bytes);
  in.required("weight", FIELD(RmsNormParams, weight), p.hidden, kF32Bytes);
  return p;
}

OpParams read_matmul(OpReader& in) {
  MatmulParams p{};
  p.weight = in.weight("weight", FIELD(MatmulParams, weight));
  p.out_dtype = in.fields().dtype("outDtype");
  const i64 n = in.max_rows();
  in.required("out", FIELD(MatmulParams, out), n * p.weight.out_dim, dtype_bytes(p.out_dtype));
  const bool is_quantized = p.weight.dtype == kInt8 || p.weight.dtype == kInt4;
  in.required("x", FIELD(MatmulParams, x), n * p.weight.in_dim,
              is_quantized ? kF32Bytes : dtype_bytes(p.weight.dtype));
  in.operand("bias", FIELD(MatmulParams, bias), p.weight.out_dim, kF32Bytes);
  return p;
}

OpParams read_gated_mul(OpReader& in) {
  GatedMulParams p{};
  p.dim = in.extent("dim");
  p.out_dtype = in.fields().dtype("outDtype");
  const i64 elements = in.max_rows() * p.dim;
  in.required("out", FIELD(GatedMulParams, out), elements, dtype_bytes(p.out_dtype));
  in.required("gateUp", FIELD(GatedMulParams, gate_up), 2 * elements, kF32Bytes);
  return p;
}

OpParams read_gather_rows(OpReader& in) {
  GatherRowsParams p{};
  p.dim = in.extent("dim");
  p.dtype = in.fields().dtype("dtype");
  in.op.source_rows = in.rows("sourceRows");
  const size_t bytes = dtype_bytes(p.dtype);
  in.required("out", FIELD(GatherRowsParams, out), in.max_rows() * p.dim, bytes);
  in.required("x", FIELD(GatherRowsParams, x), in.max_of(in.op.source_rows) * p.dim, bytes);
  in.required("indices", FIELD(GatherRowsParams, rows), in.max_rows(), kI32Bytes);
  return p;
}

OpParams read_elementwise(OpReader& in) {
  ElementwiseParams p{};
  p.dim = in.extent("dim");
  p.operand = in.fields().real("operand");
  in.required("x", FIELD(ElementwiseParams, x), in.max_rows() * p.dim, kF32Bytes);
  return p;
}

OpParams read_write_kv(OpReader& in) {
  WriteKvParams p{};
  p.cache = in.cache(FIELD(WriteKvParams, cache));
  p.layer = in.extent("layer");
  p.token_stride = i64{p.cache.num_kv_heads} * p.cache.head_dim;
  const i64 elements = in.max_rows() * p.token_stride;
  in.required("key", FIELD(WriteKvParams, key), elements, kF32Bytes);
  in.required("value", FIELD(WriteKvParams, value), elements, kF32Bytes);
  in.required("slotMapping", FIELD(WriteKvParams, slot_mapping), in.max_rows(), kI32Bytes);
  return p;
}

OpParams read_read_kv(OpReader& in) {
  ReadKvParams p{};
  p.cache = in.cache(FIELD(ReadKvParams, cache));
  p.layer = in.extent("layer");
  const i64 elements = in.max_rows() * p.cache.num_kv_heads * p.cache.head_dim;
  in.required("key", FIELD(ReadKvParams, key), elements, kF32Bytes);
  in.required("value", FIELD(ReadKvParams, value), elements, kF32Bytes);
  in.required("slots", FIELD(ReadKvParams, slots), in.max_rows(), kI32Bytes);
  return p;
}

OpParams read_rope_and_write_kv(OpReader& in) {
  RopeAndWriteKvParams p{};
  p.cache = in.cache(FIELD(RopeAndWriteKvParams, cache));
  p.layer = in.extent("layer");
  p.num_heads = in.num_heads();
  p.rotary_dim = in.extent("rotaryDim");
  p.max_positions = in.extent("maxPositions");
  p.norm_eps = in.fields().real("normEps");
  p.norm_weight_offset = in.fields().real("normWeightOffset");
  const i64 n = in.max_rows();
  const i64 head_dim = p.cache.head_dim;
  const i64 heads = p.num_heads + i64{2} * p.cache.num_kv_heads;
  in.required("q", FIELD(RopeAndWriteKvParams, q_out), n * p.num_heads * head_dim, kF32Bytes);
  in.required("qkv", FIELD(RopeAndWriteKvParams, qkv), n * heads * head_dim, kF32Bytes);
  in.required("rope", FIELD(RopeAndWriteKvParams, cos_sin), i64{p.max_positions} * p.rotary_dim,
              kF32Bytes);
  in.required("positions", FIELD(RopeAndWriteKvParams, positions), n, kI32Bytes);
  in.operand("qNorm", FIELD(RopeAndWriteKvParams, q_norm), head_dim, kF32Bytes);
  in.operand("kNorm", FIELD(RopeAndWriteKvParams, k_norm), head_dim, kF32Bytes);
  in.required("slotMapping", FIELD(RopeAndWriteKvParams, slot_mapping), n, kI32Bytes);
  return p;
}

OpParams read_paged_attention(OpReader& in) {
  PagedAttentionParams p{};
  p.cache = in.cache(FIELD(PagedAttentionParams, cache));
  p.layer = in.extent("layer");
  p.num_heads = in.num_heads();
  p.out_dtype = in.fields().dtype("outDtype");
  p.num_table_rows = in.extent("numTableRows");
  p.table_stride = in.extent("tableStride");
  p.scale = in.fields().real("scale");
  p.softcap = in.fields().real("softcap");
  p.window = in.fields().integer("window");
  in.op.source_rows = in.rows("numSeqs");
  const i64 n = in.max_rows(), seqs = in.max_of(in.op.source_rows);
  const i64 elements = n * p.num_heads * p.cache.head_dim;
  in.required("out", FIELD(PagedAttentionParams, out), elements, dtype_bytes(p.out_dtype));
  in.operand("lse", FIELD(PagedAttentionParams, lse), n * p.num_heads, kF32Bytes);
  in.required("q", FIELD(PagedAttentionParams, q), elements, kF32Bytes);
  in.required("blockTables", FIELD(PagedAttentionParams, block_tables),
              p.num_table_rows * p.table_stride, kI32Bytes);
  in.required("tableRows", FIELD(PagedAttentionParams, table_rows), seqs, kI32Bytes);
  in.required("queryStart", FIELD(PagedAttentionParams, query_start), seqs + 1, kI32Bytes);
  in.required("contextLens", FIELD(PagedAttentionParams, context_lens), seqs, kI32Bytes);
  in.operand("sinks", FIELD(PagedAttentionParams, sinks), p.num_heads, kF32Bytes);
  return p;
}

OpParams read_copy_blocks(OpReader& in) {
  CopyBlocksParams p{};
  p.cache = in.cache(FIELD(CopyBlocksParams, cache));
  in.required("pairs", FIELD(CopyBlocksParams, pairs), 2 * in.max_rows(), kI32Bytes);
  return p;
}

OpParams read_sample(OpReader& in) {
  SampleParams p{};
  p.vocab_size = in.extent("vocabSize");
  const i64 n = in.max_rows();
  in.required("logits", FIELD(SampleParams, logits), n * p.vocab_size, kF32Bytes);
  in.operand("logitSlots", FIELD(SampleParams, row_slots), n, kI32Bytes);
  in.operand("samplePositions", FIELD(SampleParams, row_positions), n, kI32Bytes);
  return p;
}
#undef FIELD

// In the order of OpKind.
constexpr OpParams (*kReaders[])(OpReader&) = {
    read_embed,           read_rms_norm,    read_matmul,
    read_write_kv,        read_read_kv,     read_rope_and_write_kv,
    read_paged_attention, read_gated_mul,   read_gated_mul,
    read_gather_rows,     read_elementwise, read_elementwise,
    read_copy_blocks,     read_sample};

StepField read_step_field(const Fields& operand) {
  constexpr const char* kNames[] = {"tokenIds",        "positions",   "slotMapping", "tableRows",
                                    "queryStart",      "contextLens", "logitRows",   "logitSlots",
                                    "samplePositions", "copies",      "blockTables"};
  const std::string name = operand.text("step");
  for (size_t i = 0; i < std::size(kNames); i++) {
    if (name == kNames[i]) return static_cast<StepField>(i);
  }
  operand.refuse("step", "the name of a step tensor");
}

}  // namespace

Op read_op(const Fields& record, const RecordedBuffers* recorded) {
  const std::string name = record.text("kind");
  for (size_t i = 0; i < std::size(kReaders); i++) {
    const OpKind kind = static_cast<OpKind>(i);
    if (name != op_name(kind)) continue;
    OpReader reader(record, recorded);
    reader.op.kind = kind;
    reader.op.params = kReaders[i](reader);
    return std::move(reader.op);
  }
  record.refuse("kind", "the name of an op");
}

OperandPlace read_operand(const Fields& operand, const RecordedBuffers* recorded) {
  if (recorded != nullptr && operand.has("step")) {
    const StepField field = read_step_field(operand);
    if (field == StepField::kBlockTables) return {recorded->tables, 0, recorded->tables->bytes};
    return {recorded->step_tensors, recorded->layout.offset(field),
            recorded->layout.bytes_of(field)};
  }
  const size_t offset = static_cast<size_t>(operand.count("byteOffset"));
  const size_t bytes = static_cast<size_t>(operand.count("byteLength"));
  const bool is_in_arena = recorded != nullptr && operand.has("arena");
  std::shared_ptr<Buffer> buffer =
      is_in_arena ? recorded->arena : unwrap<Buffer>(operand.value("buffer"), "buffer");
  if (offset > buffer->bytes || bytes > buffer->bytes - offset) {
    operand.refuse("byteLength", "inside its buffer");
  }
  return {std::move(buffer), offset, bytes};
}

Rows read_rows(const Fields& record, const char* name, const RecordedBuffers* recorded) {
  if (!record.value(name).IsString()) {
    return {Extent::kFixed, static_cast<i32>(record.count(name, 0x7fffffff))};
  }
  const std::string extent = record.text(name);
  if (recorded != nullptr) {
    if (extent == "tokens") return {Extent::kTokens, 0};
    if (extent == "seqs") return {Extent::kSeqs, 0};
    if (extent == "logitRows") return {Extent::kLogitRows, 0};
  }
  record.refuse(name, "a count or the name of an extent");
}
