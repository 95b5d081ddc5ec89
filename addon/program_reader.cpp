#include "program_reader.h"

#include <algorithm>

#include "op_reader.h"

namespace {

ProgramLimits read_limits(const Fields& o) {
  constexpr i64 kMax = 0x10000000;
  const auto count = [&](const char* name) { return static_cast<i32>(o.count(name, kMax)); };
  return {.max_tokens = count("maxTokens"),
          .max_seqs = count("maxSeqs"),
          .max_logit_rows = count("maxLogitRows"),
          .max_table_rows = count("maxTableRows"),
          .max_blocks_per_seq = count("maxBlocksPerSeq"),
          .max_copies = count("maxCopies"),
          .max_table_changes = count("maxTableChanges"),
          .vocab_size = count("vocabSize"),
          .num_sampling_slots = count("numSamplingSlots")};
}

// Each array must lie inside the step's memory.
StepSections read_sections(const Fields& o, const ProgramLimits& limits) {
  const i64 length = o.count("length", 0x7fffffff);
  const auto start = [&](const char* name, i64 words) {
    return static_cast<i32>(o.count(name, length - words));
  };
  constexpr i64 kHeaderWords = sizeof(StepHeader) / sizeof(i32);
  if (length < kHeaderWords) o.refuse("length", "long enough for the counts");
  return {.token_ids = start("tokenIds", limits.max_tokens),
          .token_sources = start("tokenSources", limits.max_tokens),
          .table_rows = start("tableRows", limits.max_seqs),
          .query_start = start("queryStart", i64{limits.max_seqs} + 1),
          .context_lens = start("contextLens", limits.max_seqs),
          .write_starts = start("writeStarts", limits.max_seqs),
          .adapter_ids = start("adapterIds", limits.max_seqs),
          .logit_rows = start("logitRows", limits.max_logit_rows),
          .logit_slots = start("logitSlots", limits.max_logit_rows),
          .copies = start("copies", i64{limits.max_copies} * 2),
          .table_changes = start("tableChanges", i64{limits.max_table_changes} * 3),
          .length = static_cast<i32>(length)};
}

// What the ops' tables bound: ids, positions, and how far back the step attends.
StepBounds find_bounds(const ProgramSpec& spec) {
  StepBounds bounds;
  bounds.limits = spec.limits;
  if (spec.kv_cache != nullptr) bounds.kv = &spec.kv_cache->view;
  const auto lower = [](i32& bound, i32 value) {
    bound = bound == 0 ? value : std::min(bound, value);
  };
  bool attends_to_everything = false;
  for (const Op& op : spec.ops) {
    if (auto* p = std::get_if<EmbedParams>(&op.params)) lower(bounds.token_end, p->table.out_dim);
    if (auto* p = std::get_if<RopeAndWriteKvParams>(&op.params)) {
      lower(bounds.max_positions, p->max_positions);
    }
    if (auto* p = std::get_if<PagedAttentionParams>(&op.params)) {
      attends_to_everything |= p->window < 0;
      bounds.window = std::max(bounds.window, p->window);
    }
  }
  if (attends_to_everything) bounds.window = -1;
  return bounds;
}

void read_result(const Fields& o, const RecordedBuffers& recorded, ProgramSpec& spec) {
  ProgramResult& result = spec.result;
  result.is_logits = o.text("kind") == "logits";
  result.rows = read_rows(o, "rows", &recorded);
  result.row_size = static_cast<i32>(o.count("rowSize", 0x7fffffff));
  const OperandPlace place = read_operand(o.object("operand"), &recorded);
  const i64 elements = i64{recorded.max_extents.of(result.rows)} * result.row_size;
  if (elements > static_cast<i64>(place.bytes / sizeof(f32))) {
    o.refuse("operand", "as long as the result");
  }
  result.buffer = place.buffer;
  result.offset = place.offset;
  const bool ends_in_sample = !spec.ops.empty() && spec.ops.back().kind == OpKind::kSample;
  if (result.is_logits && (!ends_in_sample || spec.limits.vocab_size != result.row_size)) {
    o.refuse("kind", "what the last op gives");
  }
}

}  // namespace

ProgramSpec read_program(const Fields& o, Memory& memory) {
  ProgramSpec spec;
  spec.limits = read_limits(o.object("limits"));
  spec.sections = read_sections(o.object("sections"), spec.limits);
  if (o.has("kvCache")) spec.kv_cache = unwrap<KvCache>(o.value("kvCache"), "kvCache");
  const StepLayout layout(spec.limits);
  spec.arena = memory.reserve(static_cast<size_t>(o.count("arenaBytes")), MemoryKind::kHuge);
  spec.step_tensors = memory.reserve(layout.bytes);
  const i32 num_blocks = spec.kv_cache == nullptr ? 1 : spec.kv_cache->view.num_blocks;
  spec.tables = std::make_unique<BlockTables>(memory.shared_from_this(), spec.limits.max_table_rows,
                                              spec.limits.max_blocks_per_seq, num_blocks);

  const RecordedBuffers recorded = {spec.arena, spec.step_tensors, spec.tables->buffer(), layout,
                                    spec.limits.extents()};
  const Napi::Array ops = o.value("ops").As<Napi::Array>();
  for (u32 i = 0; i < ops.Length(); i++) {
    spec.ops.push_back(read_op(Fields(ops.Get(i)), &recorded));
    const OpKind kind = spec.ops.back().kind;
    const bool is_last = i + 1 == ops.Length();
    if (kind == OpKind::kSample && !is_last) o.refuse("ops", "ended by its sample op");
  }
  read_result(o.object("result"), recorded, spec);
  spec.bounds = find_bounds(spec);
  return spec;
}

SlotSetting read_slot(const Fields& o, i32 vocab_size) {
  SlotSetting setting;
  bool is_lossless = false;
  const Napi::Value seed = o.value("seed");
  if (!seed.IsBigInt()) o.refuse("seed", "a bigint");
  setting.params = {.temperature = o.real("temperature"),
                    .top_p = o.real("topP"),
                    .min_p = o.real("minP"),
                    .repetition_penalty = o.real("repetitionPenalty"),
                    .presence_penalty = o.real("presencePenalty"),
                    .frequency_penalty = o.real("frequencyPenalty"),
                    .top_k = o.integer("topK"),
                    .num_logprobs = o.integer("numLogprobs"),
                    .seed = seed.As<Napi::BigInt>().Uint64Value(&is_lossless)};
  setting.has_penalties = o.flag("hasPenalties");
  setting.prompt_tokens = o.integers("promptTokens");
  setting.output_tokens = o.integers("outputTokens");
  setting.token_mask = o.integers("tokenMask");
  if (o.has("logitBias")) {
    const Fields bias = o.object("logitBias");
    setting.bias_ids = bias.integers("ids");
    setting.bias_values = bias.reals("values");
  }
  const auto are_inside = [vocab_size](const std::vector<i32>& ids) {
    return std::all_of(ids.begin(), ids.end(),
                       [vocab_size](i32 id) { return id >= 0 && id < vocab_size; });
  };
  if (!are_inside(setting.prompt_tokens) || !are_inside(setting.output_tokens) ||
      !are_inside(setting.bias_ids) || setting.bias_values.size() != setting.bias_ids.size() ||
      setting.params.num_logprobs > kMaxTopLogprobs) {
    o.refuse("slot", "inside the vocabulary");
  }
  if (!setting.token_mask.empty() && setting.token_mask.size() != mask_words(vocab_size)) {
    o.refuse("tokenMask", "as long as the vocabulary");
  }
  return setting;
}
