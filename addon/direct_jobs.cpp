#include "direct_jobs.h"

#include <algorithm>

#include "index_checks.h"

Status RunOpJob::run(Engine& engine) {
  Status status = op_.bind();
  if (!status.is_ok()) return status;
  op_.set_extents({});
  if (op_.rows.count == 0) return Status::ok();
  status = check_indices(op_, engine.backend());
  if (status.is_ok()) status = op_.run(engine.backend());
  if (status.is_ok()) status = engine.backend().finish();
  if (status.is_ok()) count(engine);
  return status;
}

void RunOpJob::count(Engine& engine) const {
  if (auto* p = std::get_if<CopyBlocksParams>(&op_.params)) {
    engine.counters().blocks_copied += static_cast<u64>(p->num_pairs);
  }
  const i32* slots = nullptr;
  if (auto* p = std::get_if<WriteKvParams>(&op_.params)) slots = p->slot_mapping;
  if (auto* p = std::get_if<RopeAndWriteKvParams>(&op_.params)) slots = p->slot_mapping;
  if (slots == nullptr) return;
  std::vector<i32> host(static_cast<size_t>(op_.rows.count));
  if (!engine.backend().download(host.data(), slots, host.size() * sizeof(i32)).is_ok()) return;
  const auto written = std::count_if(host.begin(), host.end(), [](i32 slot) { return slot >= 0; });
  engine.counters().kv_slots_written += static_cast<u64>(written);
}

RunSampleJob::RunSampleJob(Op op, std::vector<SlotSetting> slots, std::vector<i32> row_slots,
                           std::vector<i32> row_positions, bool want_digests)
    : op_(std::move(op)),
      slots_(std::move(slots)),
      row_slots_(std::move(row_slots)),
      row_positions_(std::move(row_positions)),
      want_digests_(want_digests) {}

Status RunSampleJob::run(Engine& engine) {
  Status status = op_.bind();
  if (!status.is_ok()) return status;
  op_.set_extents({});
  SampleParams& p = std::get<SampleParams>(op_.params);
  const std::shared_ptr<Memory> memory = engine.memory().shared_from_this();
  Backend& backend = engine.backend();

  SamplingSlots slots(memory, static_cast<i32>(slots_.size()), p.vocab_size);
  status = slots.open(backend);
  for (size_t i = 0; i < slots_.size() && status.is_ok(); i++) {
    status = slots.set(backend, static_cast<i32>(i), slots_[i]);
  }
  if (!status.is_ok()) return status;

  const ResultLayout layout({p.num_rows, want_digests_, 0});
  const size_t rows_bytes = static_cast<size_t>(p.num_rows) * sizeof(i32);
  const std::shared_ptr<Buffer> draws = memory->reserve(layout.bytes);
  const std::shared_ptr<Buffer> row_inputs = memory->reserve(2 * rows_bytes);
  result.assign(layout.bytes, 0);
  if (p.num_rows == 0) return Status::ok();
  if (status = memory->allocate(*draws); !status.is_ok()) return status;
  if (status = memory->allocate(*row_inputs); !status.is_ok()) return status;
  u8* const out = static_cast<u8*>(draws->data);
  u8* const in = static_cast<u8*>(row_inputs->data);
  if (status = backend.upload(in, row_slots_.data(), rows_bytes); !status.is_ok()) return status;
  if (status = backend.upload(in + rows_bytes, row_positions_.data(), rows_bytes);
      !status.is_ok()) {
    return status;
  }
  p.row_slots = reinterpret_cast<const i32*>(in);
  p.row_positions = reinterpret_cast<const i32*>(in + rows_bytes);
  p.samples = reinterpret_cast<i32*>(out + layout.samples);
  p.sample_logprobs = reinterpret_cast<f32*>(out + layout.logprobs);
  p.top_ids = reinterpret_cast<i32*>(out + layout.top_ids);
  p.top_logprobs = reinterpret_cast<f32*>(out + layout.top_logprobs);
  p.non_finite = out + layout.non_finite;
  p.digests = want_digests_ ? reinterpret_cast<u64*>(out + layout.digests) : nullptr;
  status = slots.draw(backend, p, row_slots_.data());
  return status.is_ok() ? backend.download(result.data(), out, layout.bytes) : status;
}
