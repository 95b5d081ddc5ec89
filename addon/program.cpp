#include "program.h"

#include <chrono>
#include <cstring>

namespace {

double now_ms() {
  const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(since_start).count();
}

}  // namespace

Program::Program(std::shared_ptr<Memory> memory, ProgramSpec spec)
    : memory_(std::move(memory)),
      spec_(std::move(spec)),
      layout_(spec_.limits),
      derivation_(spec_.bounds, layout_),
      slots_(memory_, spec_.limits.num_sampling_slots, spec_.limits.vocab_size),
      draws_layout_(ResultShape{spec_.limits.max_logit_rows, true, 0}) {
  draws_ = memory_->reserve(spec_.result.is_logits ? draws_layout_.bytes : 0);
}

std::shared_ptr<StepJob> Program::take_step_job() {
  for (const auto& job : step_jobs_) {
    if (job.use_count() == 1) return job;
  }
  return step_jobs_.emplace_back(std::make_shared<StepJob>());
}

Status Program::open(Engine& engine) {
  for (Buffer* buffer : {spec_.arena.get(), spec_.step_tensors.get(), draws_.get()}) {
    const Status status = memory_->allocate(*buffer);
    if (!status.is_ok()) return status;
  }
  Status status = spec_.tables->open();
  return status.is_ok() ? slots_.open(engine.backend()) : status;
}

Status Program::run_step(Engine& engine, const StepInput& input, std::vector<u8>& result) {
  const double start_ms = now_ms();
  Status status = prepare(engine, input);
  if (status.is_ok()) status = run_ops(engine, input);
  previous_.is_valid = status.is_ok();
  if (!status.is_ok()) return status;
  counts_.run_ms = now_ms() - start_ms;
  return write_result(engine, input, result);
}

// Everything that can refuse a step; the tables keep its changes whatever follows.
Status Program::prepare(Engine& engine, const StepInput& input) {
  Backend& backend = engine.backend();
  Status status =
      spec_.tables->apply(backend, input.table_changes(), input.header().num_table_changes);
  if (status.is_ok()) status = derivation_.derive(input, *spec_.tables, previous_);
  if (status.is_ok()) status = slots_.check(input.logit_slots(), input.header().num_logit_rows);
  if (status.is_ok()) status = bind_ops();
  if (status.is_ok()) {
    status = backend.upload(spec_.step_tensors->data, derivation_.host(), layout_.bytes);
  }
  counts_ = derivation_.counts();
  return status;
}

// Pointers are set once, at the first step: tensors get their memory in the order of the queue.
Status Program::bind_ops() {
  if (is_bound_) return Status::ok();
  for (Op& op : spec_.ops) {
    const Status status = op.bind();
    if (!status.is_ok()) return status;
  }
  if (spec_.result.is_logits) bind_sample_op();
  is_bound_ = true;
  return Status::ok();
}

void Program::bind_sample_op() {
  u8* const draws = static_cast<u8*>(draws_->data);
  SampleParams& sample = std::get<SampleParams>(spec_.ops.back().params);
  sample.samples = reinterpret_cast<i32*>(draws + draws_layout_.samples);
  sample.sample_logprobs = reinterpret_cast<f32*>(draws + draws_layout_.logprobs);
  sample.top_ids = reinterpret_cast<i32*>(draws + draws_layout_.top_ids);
  sample.top_logprobs = reinterpret_cast<f32*>(draws + draws_layout_.top_logprobs);
  sample.non_finite = draws + draws_layout_.non_finite;
}

Status Program::run_ops(Engine& engine, const StepInput& input) {
  Backend& backend = engine.backend();
  const StepHeader& header = input.header();
  if (header.num_copies > 0) {
    KvCacheView cache = spec_.kv_cache->view;
    cache.data = spec_.kv_cache->buffer->data;
    const u8* pairs =
        static_cast<const u8*>(spec_.step_tensors->data) + layout_.offset(StepField::kCopies);
    const Status status =
        backend.copy_blocks({cache, reinterpret_cast<const i32*>(pairs), header.num_copies});
    if (!status.is_ok()) return status;
  }
  if (spec_.result.is_logits) {
    u64* const digests =
        reinterpret_cast<u64*>(static_cast<u8*>(draws_->data) + draws_layout_.digests);
    std::get<SampleParams>(spec_.ops.back().params).digests =
        header.want_digests != 0 ? digests : nullptr;
  }
  const StepExtents extents = {header.num_tokens, header.num_seqs, header.num_logit_rows};
  for (size_t i = 0; i < spec_.ops.size(); i++) {
    Op& op = spec_.ops[i];
    if (engine.is_cancelled()) return Status::error("ERR_CLOSED", "the device was closed");
    op.set_extents(extents);
    if (extents.of(op.rows) == 0) continue;
    const Status status = run_op(backend, op, input);
    if (status.is_ok()) continue;
    return Status::error(status.code(), "op " + std::to_string(i) + " (" + op_name(op.kind) +
                                            "): " + status.message());
  }
  return Status::ok();
}

Status Program::run_op(Backend& backend, const Op& op, const StepInput& input) {
  if (op.kind != OpKind::kSample) return op.run(backend);
  return slots_.draw(backend, std::get<SampleParams>(op.params), input.logit_slots());
}

Status Program::write_result(Engine& engine, const StepInput& input, std::vector<u8>& result) {
  const StepHeader& header = input.header();
  const ProgramResult& end = spec_.result;
  const StepExtents extents = {header.num_tokens, header.num_seqs, header.num_logit_rows};
  const bool has_digests = end.is_logits && header.want_digests != 0;
  const bool has_values = !end.is_logits || header.want_logits != 0;
  const i64 num_values = has_values ? i64{extents.of(end.rows)} * end.row_size : 0;
  const ResultLayout layout({header.num_logit_rows, has_digests, num_values});
  result.assign(layout.bytes, 0);

  Status status;
  if (end.is_logits && header.num_logit_rows > 0) {
    status = download_samples(engine.backend(), layout, header.num_logit_rows, has_digests,
                              result.data());
  }
  if (status.is_ok() && num_values > 0) {
    const u8* values = static_cast<const u8*>(end.buffer->data) + end.offset;
    const size_t bytes = static_cast<size_t>(num_values) * sizeof(f32);
    status = engine.backend().download(result.data() + layout.values, values, bytes);
  }
  keep_samples(result.data() + layout.samples, end.is_logits ? header.num_logit_rows : 0);

  const double counters[] = {
      double(counts_.tokens_computed), double(counts_.kv_slots_written),
      double(counts_.blocks_copied),   double(counts_.logit_rows),
      double(counts_.tokens_sampled),  counts_.run_ms,
  };
  static_assert(sizeof counters <= ResultLayout::kNumCounters * sizeof(double));
  std::memcpy(result.data(), counters, sizeof counters);
  engine.counters().add(counts_);
  return status;
}

Status Program::download_samples(Backend& backend, const ResultLayout& layout, i32 num_rows,
                                 bool has_digests, u8* result) {
  const u8* const draws = static_cast<const u8*>(draws_->data);
  const size_t rows = static_cast<size_t>(num_rows);
  struct Section {
    size_t to, from, bytes;
  };
  const Section sections[] = {
      {layout.digests, draws_layout_.digests, has_digests ? rows * sizeof(u64) : 0},
      {layout.samples, draws_layout_.samples, rows * sizeof(i32)},
      {layout.logprobs, draws_layout_.logprobs, rows * sizeof(f32)},
      {layout.top_ids, draws_layout_.top_ids, rows * kMaxTopLogprobs * sizeof(i32)},
      {layout.top_logprobs, draws_layout_.top_logprobs, rows * kMaxTopLogprobs * sizeof(f32)},
      {layout.non_finite, draws_layout_.non_finite, rows},
  };
  for (const Section& section : sections) {
    if (section.bytes == 0) continue;
    const Status status =
        backend.download(result + section.to, draws + section.from, section.bytes);
    if (!status.is_ok()) return status;
  }
  return Status::ok();
}

// Remembers the samples for the next step, and counts them.
void Program::keep_samples(const u8* samples, i32 num_rows) {
  previous_.tokens.resize(static_cast<size_t>(num_rows));
  std::memcpy(previous_.tokens.data(), samples, sizeof(i32) * static_cast<size_t>(num_rows));
  counts_.tokens_sampled = 0;
  for (const i32 token : previous_.tokens) counts_.tokens_sampled += token >= 0;
}
