#include "program.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <utility>

namespace {

double now_ms() {
  const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(since_start).count();
}

u64 next_program_id() {
  static std::atomic<u64> last{0};
  return ++last;
}

}  // namespace

Program::Program(std::shared_ptr<Memory> memory, ProgramSpec spec)
    : memory_(std::move(memory)),
      id_(next_program_id()),
      spec_(std::move(spec)),
      layout_(spec_.limits),
      derivation_(spec_.bounds, layout_),
      slots_(memory_, spec_.limits.num_sampling_slots, spec_.limits.vocab_size),
      draws_layout_(ResultShape{spec_.limits.max_logit_rows, true, 0}) {
  draws_ = memory_->reserve(spec_.result.is_logits ? draws_layout_.bytes : 0);
  host_draws_.resize(draws_->bytes);
}

Program::~Program() { memory_->release_program(id_); }

std::shared_ptr<StepJob> Program::take_step_job() {
  for (const auto& job : step_jobs_) {
    if (job.use_count() == 1) return job;
  }
  return step_jobs_.emplace_back(std::make_shared<StepJob>());
}

std::shared_ptr<SetMaskJob> Program::take_mask_job() {
  for (const auto& job : mask_jobs_) {
    if (job.use_count() == 1) return job;
  }
  return mask_jobs_.emplace_back(std::make_shared<SetMaskJob>());
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
  if (status.is_ok()) status = download_result(engine.backend(), input, result);
  previous_.is_valid = status.is_ok();
  if (!status.is_ok()) return status;
  counts_.run_ms = now_ms() - start_ms;
  engine.counters().add(counts_);
  write_counters(result);
  return status;
}

// Everything that can refuse a step; the tables keep its changes whatever follows.
Status Program::prepare(Engine& engine, const StepInput& input) {
  Backend& backend = engine.backend();
  Status status =
      spec_.tables->apply(backend, input.table_changes(), input.header().num_table_changes);
  if (status.is_ok()) status = derivation_.derive(input, *spec_.tables, previous_);
  if (status.is_ok()) status = slots_.check(input.logit_slots(), input.header().num_logit_rows);
  if (status.is_ok()) status = bind_ops();
  if (!status.is_ok()) return status;
  counts_ = derivation_.counts();
  choose_rows(backend, input);
  if (spec_.result.is_logits) bind_sample_op();
  return backend.upload(spec_.step_tensors->data, derivation_.host(), layout_.bytes);
}

// Pointers are set once, at the first step: tensors get their memory in the order of the queue.
Status Program::bind_ops() {
  if (is_bound_) return Status::ok();
  for (Op& op : spec_.ops) {
    const Status status = op.bind();
    if (!status.is_ok()) return status;
  }
  is_bound_ = true;
  return Status::ok();
}

// A step in which every sequence decodes one token, and each draws from a slot of its own, differs
// from another with as many rows in what lies in device memory only: it is padded to a number of
// rows that many steps have, and recorded.
void Program::choose_rows(Backend& backend, const StepInput& input) {
  const StepHeader& header = input.header();
  const ProgramLimits& limits = spec_.limits;
  extents_ = {header.num_tokens, header.num_seqs, header.num_logit_rows};
  recorded_rows_ = 0;
  if (spec_.result.is_logits && derivation_.is_pure_decode(input) &&
      slots_.are_distinct(input.logit_slots(), header.num_logit_rows)) {
    recorded_rows_ = std::min({backend.recorded_rows(header.num_tokens), limits.max_tokens,
                               limits.max_seqs, limits.max_logit_rows});
  }
  if (recorded_rows_ > 0) {
    derivation_.pad(header.num_tokens, recorded_rows_);
    extents_ = {recorded_rows_, recorded_rows_, recorded_rows_};
  }
  draws_layout_ = ResultLayout({extents_.num_logit_rows, header.want_digests != 0, 0});
}

void Program::bind_sample_op() {
  u8* const draws = static_cast<u8*>(draws_->data);
  const bool has_digests = draws_layout_.samples > draws_layout_.digests;
  SampleParams& sample = std::get<SampleParams>(spec_.ops.back().params);
  sample.digests = has_digests ? reinterpret_cast<u64*>(draws + draws_layout_.digests) : nullptr;
  sample.samples = reinterpret_cast<i32*>(draws + draws_layout_.samples);
  sample.sample_logprobs = reinterpret_cast<f32*>(draws + draws_layout_.logprobs);
  sample.top_ids = reinterpret_cast<i32*>(draws + draws_layout_.top_ids);
  sample.top_logprobs = reinterpret_cast<f32*>(draws + draws_layout_.top_logprobs);
  sample.non_finite = draws + draws_layout_.non_finite;
}

Status Program::run_ops(Engine& engine, const StepInput& input) {
  Backend& backend = engine.backend();
  const StepHeader& header = input.header();
  Status status = copy_blocks(backend, header.num_copies);
  if (!status.is_ok()) return status;
  const auto ops = [&] { return run_each_op(engine); };
  if (recorded_rows_ == 0) return ops();
  return backend.run_recorded({id_, recorded_rows_, header.want_digests != 0}, std::ref(ops));
}

Status Program::copy_blocks(Backend& backend, i32 num_copies) {
  if (num_copies == 0) return Status::ok();
  KvCacheView cache = spec_.kv_cache->view;
  cache.data = spec_.kv_cache->buffer->data;
  const u8* pairs =
      static_cast<const u8*>(spec_.step_tensors->data) + layout_.offset(StepField::kCopies);
  return backend.copy_blocks({cache, reinterpret_cast<const i32*>(pairs), num_copies});
}

Status Program::run_each_op(Engine& engine) {
  for (size_t i = 0; i < spec_.ops.size(); i++) {
    Op& op = spec_.ops[i];
    if (engine.is_cancelled()) return Status::error("ERR_CLOSED", "the device was closed");
    op.set_extents(extents_);
    if (extents_.of(op.rows) == 0) continue;
    const Status status = run_op(engine.backend(), op);
    if (status.is_ok()) continue;
    return status.with_message("op " + std::to_string(i) + " (" + op_name(op.kind) +
                               "): " + status.message());
  }
  return Status::ok();
}

Status Program::run_op(Backend& backend, const Op& op) {
  if (op.kind != OpKind::kSample) return op.run(backend);
  const i32* row_slots = std::as_const(derivation_).field(StepField::kLogitSlots);
  return slots_.draw(backend, std::get<SampleParams>(op.params), row_slots);
}

// Brings back what the step gave, without its padding. Waits until the step is done.
Status Program::download_result(Backend& backend, const StepInput& input, std::vector<u8>& result) {
  const StepHeader& header = input.header();
  const ProgramResult& end = spec_.result;
  const StepExtents extents = {header.num_tokens, header.num_seqs, header.num_logit_rows};
  const bool has_digests = end.is_logits && header.want_digests != 0;
  const bool has_values = !end.is_logits || header.want_logits != 0;
  const i64 num_values = has_values ? i64{extents.of(end.rows)} * end.row_size : 0;
  const ResultLayout layout({header.num_logit_rows, has_digests, num_values});
  result.assign(layout.bytes, 0);

  const i32 num_draws = end.is_logits ? header.num_logit_rows : 0;
  Status status;
  if (num_draws > 0) status = download_samples(backend, layout, num_draws, result.data());
  if (status.is_ok() && num_values > 0) {
    const u8* values = static_cast<const u8*>(end.buffer->data) + end.offset;
    const size_t bytes = static_cast<size_t>(num_values) * sizeof(f32);
    status = backend.download(result.data() + layout.values, values, bytes);
  }
  if (num_draws == 0 && num_values == 0) status = backend.finish();
  if (status.is_ok()) keep_samples(result.data() + layout.samples, num_draws);
  return status;
}

// One download for all that was drawn: on a GPU each of them waits for it.
Status Program::download_samples(Backend& backend, const ResultLayout& layout, i32 num_rows,
                                 u8* result) {
  const ResultLayout& from = draws_layout_;
  const u8* const draws = static_cast<const u8*>(draws_->data);
  Status status = backend.download(host_draws_.data() + from.digests, draws + from.digests,
                                   from.bytes - from.digests);
  if (!status.is_ok()) return status;

  const size_t rows = static_cast<size_t>(num_rows);
  const bool has_digests = layout.samples > layout.digests;
  const auto copy = [&](size_t to, size_t source, size_t bytes) {
    std::memcpy(result + to, host_draws_.data() + source, bytes);
  };
  copy(layout.digests, from.digests, has_digests ? rows * sizeof(u64) : 0);
  copy(layout.samples, from.samples, rows * sizeof(i32));
  copy(layout.logprobs, from.logprobs, rows * sizeof(f32));
  copy(layout.top_ids, from.top_ids, rows * kMaxTopLogprobs * sizeof(i32));
  copy(layout.top_logprobs, from.top_logprobs, rows * kMaxTopLogprobs * sizeof(f32));
  copy(layout.non_finite, from.non_finite, rows);
  return status;
}

// Remembers the samples for the next step, and counts them.
void Program::keep_samples(const u8* samples, i32 num_rows) {
  previous_.tokens.resize(static_cast<size_t>(num_rows));
  if (num_rows > 0) {  // nothing was drawn: there are no bytes to point at
    std::memcpy(previous_.tokens.data(), samples, sizeof(i32) * static_cast<size_t>(num_rows));
  }
  counts_.tokens_sampled = 0;
  for (const i32 token : previous_.tokens) counts_.tokens_sampled += token >= 0;
}

void Program::write_counters(std::vector<u8>& result) const {
  const double counters[] = {
      double(counts_.tokens_computed), double(counts_.kv_slots_written),
      double(counts_.blocks_copied),   double(counts_.logit_rows),
      double(counts_.tokens_sampled),  counts_.run_ms,
  };
  static_assert(sizeof counters <= ResultLayout::kNumCounters * sizeof(double));
  std::memcpy(result.data(), counters, sizeof counters);
}
