#include "engine_fixture.h"

#include "backends.h"
#include "values.h"

namespace {

std::unique_ptr<Backend> open_best(int num_threads) {
  Status status;
  std::unique_ptr<Backend> backend = open_cpu_backend("auto", num_threads, &status);
  check_ok(status);
  return backend;
}

// Writes random floats and waits for them.
std::shared_ptr<Buffer> random_floats(TestEngine& test, size_t count, u64 seed) {
  const std::vector<f32> values = Random(seed).uniforms(count);
  const u8* bytes = reinterpret_cast<const u8*>(values.data());
  auto buffer = test.buffer(count * sizeof(f32));
  check_ok(test.run(
      std::make_shared<WriteJob>(buffer, std::vector<u8>(bytes, bytes + count * sizeof(f32)))));
  return buffer;
}

// Packs on this thread: nothing else runs yet.
std::shared_ptr<Buffer> random_weight(TestEngine& test, i32 out_dim, i32 in_dim, u64 seed) {
  const std::vector<f32> rows = Random(seed).uniforms(size_t(out_dim) * size_t(in_dim));
  auto weight = test.buffer(test.engine.packed_bytes(kF32, out_dim, in_dim));
  const WeightPart part = {rows.data(), out_dim, kF32};
  check_ok(test.engine.backend().pack_weight(weight->data, kF32, in_dim, &part, 1));
  return weight;
}

Op make_op(OpKind kind, Extent rows, OpParams params, std::vector<Binding> bindings) {
  return {kind, {rows, 0}, {}, params, std::move(bindings)};
}

}  // namespace

TestEngine::TestEngine(int num_threads)
    : engine(open_best(num_threads), [this](std::shared_ptr<Job> job) {
        const std::lock_guard lock(mutex_);
        reported_ids_.insert(job->id);
        reported_.notify_all();
      }) {}

const Status& TestEngine::wait(const Job& job) {
  std::unique_lock lock(mutex_);
  reported_.wait(lock, [&] { return reported_ids_.contains(job.id); });
  return job.status;
}

std::shared_ptr<Buffer> TestEngine::buffer(size_t bytes) {
  auto buffer = engine.memory().reserve(bytes);
  check_ok(run(std::make_shared<AllocateJob>(std::vector{buffer})));
  return buffer;
}

std::shared_ptr<HostBlocks> TestEngine::host_blocks(const KvCache& cache, i32 count) {
  auto host = std::make_shared<HostBlocks>(engine.memory(), count, cache.view.block_stride);
  check_ok(run(std::make_shared<AllocateJob>(std::vector{host->buffer})));
  return host;
}

std::vector<u8> TestEngine::read(const std::shared_ptr<Buffer>& buffer) {
  const auto job = submit(std::make_shared<ReadJob>(buffer));
  check_ok(wait(*job));
  return job->result;
}

SmallProgram::SmallProgram(TestEngine& test) {
  constexpr i64 kTileBytes = kBlockSize * kHeadDim * sizeof(f32);
  cache = std::make_shared<KvCache>();
  cache->view = {nullptr, 4096, 2 * kTileBytes, kTileBytes, kTileBytes, kNumBlocks, kBlockSize,
                 1,       1,    kHeadDim,       kF32};
  cache->buffer = test.buffer(size_t(kNumBlocks) * 4096);

  ProgramSpec spec;
  spec.limits = kLimits;
  spec.sections = StepWords::sections();
  spec.kv_cache = cache;
  Memory& memory = test.engine.memory();
  const StepLayout layout(kLimits);
  spec.step_tensors = memory.reserve(layout.bytes);
  spec.tables = std::make_unique<BlockTables>(memory.shared_from_this(), kLimits.max_table_rows,
                                              kLimits.max_blocks_per_seq, kNumBlocks);
  constexpr size_t kRowBytes = kHidden * sizeof(f32), kTokens = kLimits.max_tokens;
  constexpr size_t kQkv = 0, kQ = kTokens * kRowBytes, kOut = 2 * kQ, kLogits = 3 * kQ;
  spec.arena = memory.reserve(kLogits + kTokens * kVocabSize * sizeof(f32));

  const auto step = [&](StepField field) { return layout.offset(field); };
  const auto in_step = [&](size_t pointer, StepField field) {
    return Binding{pointer, spec.step_tensors, step(field)};
  };
  const auto in_arena = [&](size_t pointer, size_t offset) {
    return Binding{pointer, spec.arena, offset};
  };
  constexpr size_t kData = offsetof(PackedWeight, data), kCacheData = offsetof(KvCacheView, data);

  EmbedParams embed{};
  embed.table = {nullptr, kVocabSize, kHidden, kF32};
  spec.ops.push_back(make_op(
      OpKind::kEmbed, Extent::kTokens, embed,
      {{offsetof(EmbedParams, table) + kData, random_weight(test, kVocabSize, kHidden, 1), 0},
       in_arena(offsetof(EmbedParams, out), kQkv),
       in_step(offsetof(EmbedParams, ids), StepField::kTokenIds)}));

  RopeAndWriteKvParams rope{};
  rope.cache = cache->view;
  rope.num_heads = 1;
  rope.rotary_dim = kHeadDim;
  rope.max_positions = kMaxPositions;
  spec.ops.push_back(
      make_op(OpKind::kRopeAndWriteKv, Extent::kTokens, rope,
              {{offsetof(RopeAndWriteKvParams, cache) + kCacheData, cache->buffer, 0},
               {offsetof(RopeAndWriteKvParams, cos_sin),
                random_floats(test, size_t(kMaxPositions) * kHeadDim, 2), 0},
               in_arena(offsetof(RopeAndWriteKvParams, qkv), kQkv),
               in_arena(offsetof(RopeAndWriteKvParams, q_out), kQ),
               in_step(offsetof(RopeAndWriteKvParams, positions), StepField::kPositions),
               in_step(offsetof(RopeAndWriteKvParams, slot_mapping), StepField::kSlotMapping)}));

  PagedAttentionParams attention{};
  attention.cache = cache->view;
  attention.num_heads = 1;
  attention.table_stride = kLimits.max_blocks_per_seq;
  attention.num_table_rows = kLimits.max_table_rows;
  attention.scale = 0.25f;
  attention.window = -1;
  attention.out_dtype = kF32;
  spec.ops.push_back(
      make_op(OpKind::kPagedAttention, Extent::kTokens, attention,
              {{offsetof(PagedAttentionParams, cache) + kCacheData, cache->buffer, 0},
               {offsetof(PagedAttentionParams, block_tables), spec.tables->buffer(), 0},
               in_arena(offsetof(PagedAttentionParams, q), kQ),
               in_arena(offsetof(PagedAttentionParams, out), kOut),
               in_step(offsetof(PagedAttentionParams, table_rows), StepField::kTableRows),
               in_step(offsetof(PagedAttentionParams, query_start), StepField::kQueryStart),
               in_step(offsetof(PagedAttentionParams, context_lens), StepField::kContextLens)}));
  spec.ops.back().source_rows = {Extent::kSeqs, 0};

  GatherRowsParams gather{};
  gather.dim = kHeadDim;
  gather.dtype = kF32;
  spec.ops.push_back(make_op(
      OpKind::kGatherRows, Extent::kLogitRows, gather,
      {in_arena(offsetof(GatherRowsParams, x), kOut), in_arena(offsetof(GatherRowsParams, out), kQ),
       in_step(offsetof(GatherRowsParams, rows), StepField::kLogitRows)}));
  spec.ops.back().source_rows = {Extent::kTokens, 0};

  MatmulParams head{};
  head.weight = {nullptr, kVocabSize, kHeadDim, kF32};
  head.out_dtype = kF32;
  spec.ops.push_back(make_op(
      OpKind::kMatmul, Extent::kLogitRows, head,
      {{offsetof(MatmulParams, weight) + kData, random_weight(test, kVocabSize, kHeadDim, 3), 0},
       in_arena(offsetof(MatmulParams, x), kQ),
       in_arena(offsetof(MatmulParams, out), kLogits)}));

  SampleParams sample{};
  sample.vocab_size = kVocabSize;
  spec.ops.push_back(
      make_op(OpKind::kSample, Extent::kLogitRows, sample,
              {in_arena(offsetof(SampleParams, logits), kLogits),
               in_step(offsetof(SampleParams, row_slots), StepField::kLogitSlots),
               in_step(offsetof(SampleParams, row_positions), StepField::kSamplePositions)}));
  spec.result = {true, {Extent::kLogitRows, 0}, kVocabSize, spec.arena, kLogits};
  spec.bounds = {kLimits, kVocabSize, kMaxPositions, -1, &cache->view};

  program = std::make_shared<Program>(memory.shared_from_this(), std::move(spec));
  OpenProgramJob open(*program);
  check_ok(test.engine.run_now(open));
}

const StepSections& StepWords::sections() {
  static constexpr StepSections kSections = {.token_ids = 16,
                                             .token_sources = 28,
                                             .table_rows = 40,
                                             .query_start = 43,
                                             .context_lens = 47,
                                             .write_starts = 50,
                                             .adapter_ids = 53,
                                             .logit_rows = 56,
                                             .logit_slots = 60,
                                             .copies = 64,
                                             .table_changes = 70,
                                             .length = 106};
  return kSections;
}

StepWords::StepWords() : words_(size_t(sections().length), 0) {
  std::fill_n(at(sections().token_sources), SmallProgram::kLimits.max_tokens, -1);
}

std::shared_ptr<StepJob> make_step(const std::shared_ptr<Program>& program, StepWords& words) {
  const auto job = program->take_step_job();
  if (!job->input.copy_from(words.data(), program->sections(), program->limits())) return nullptr;
  job->program = program;
  return job;
}
