#pragma once
// A recorded forward pass and its state on the device. Everything but the constructor and
// input_sections() is for the engine thread.

#include <optional>

#include "engine.h"
#include "live_objects.h"
#include "sampling_slots.h"
#include "step_derivation.h"
#include "step_result.h"

// What a program gives back beside samples: logits on request, or hidden states always.
struct ProgramResult {
  bool is_logits = true;
  Rows rows;
  i32 row_size = 0;
  std::shared_ptr<Buffer> buffer;  // the arena
  size_t offset = 0;
};

// Everything that the addon translated from a recording.
struct ProgramSpec {
  ProgramLimits limits;
  StepSections sections;
  std::shared_ptr<KvCache> kv_cache;  // or null
  std::shared_ptr<Buffer> arena;
  std::shared_ptr<Buffer> step_tensors;
  std::unique_ptr<BlockTables> tables;
  std::vector<Op> ops;  // the last one is the sample op when the result is logits
  ProgramResult result;
  StepBounds bounds;
};

class SetMaskJob;
class StepJob;

class Program : public Counted<Program> {
 public:
  Program(std::shared_ptr<Memory> memory, ProgramSpec spec);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // JavaScript thread too: constant.
  const ProgramLimits& limits() const { return spec_.limits; }
  const StepSections& sections() const { return spec_.sections; }

  // JavaScript thread. A step job that nobody uses any more, or a new one.
  std::shared_ptr<StepJob> take_step_job();
  // JavaScript thread. The same for a slot's token mask.
  std::shared_ptr<SetMaskJob> take_mask_job();

  // Allocates the arena, the step's tensors and the tables.
  Status open(Engine& engine);
  // Runs one step: table changes, checks, copies, ops. Writes the result's bytes.
  Status run_step(Engine& engine, const StepInput& input, std::vector<u8>& result);
  SamplingSlots& slots() { return slots_; }

 private:
  Status bind_ops();
  Status prepare(Engine& engine, const StepInput& input);
  void choose_rows(Backend& backend, const StepInput& input);
  Status copy_blocks(Backend& backend, i32 num_copies);
  Status run_ops(Engine& engine, const StepInput& input);
  Status run_each_op(Engine& engine);
  Status run_op(Backend& backend, const Op& op);
  Status download_result(Backend& backend, const StepInput& input, std::vector<u8>& result);
  Status download_samples(Backend& backend, const ResultLayout& layout, i32 num_rows, u8* result);
  void write_counters(std::vector<u8>& result) const;
  void bind_sample_op();
  void keep_samples(const u8* samples, i32 num_rows);

  const std::shared_ptr<Memory> memory_;
  const u64 id_;  // of its recordings; never used twice
  ProgramSpec spec_;
  const StepLayout layout_;
  StepDerivation derivation_;
  SamplingSlots slots_;
  std::shared_ptr<Buffer> draws_;  // what the sample op writes, laid out by draws_layout_
  std::vector<u8> host_draws_;     // and brought to the host as one piece
  ResultLayout draws_layout_;      // of the step under way: of as many rows as its ops have
  StepExtents extents_;            // of the step under way, padding included
  i32 recorded_rows_ = 0;          // of the step under way; 0: it is not recorded
  PreviousSamples previous_;
  StepCounts counts_;
  bool is_bound_ = false;
  std::vector<std::shared_ptr<StepJob>> step_jobs_;     // JavaScript thread
  std::vector<std::shared_ptr<SetMaskJob>> mask_jobs_;  // JavaScript thread
};

// Opens a program ahead of the queue.
class OpenProgramJob final : public Job {
 public:
  explicit OpenProgramJob(Program& program) : program_(program) {}
  Status run(Engine& engine) override { return program_.open(engine); }

 private:
  Program& program_;
};

// One step on its way; a program keeps a few and uses them again and again.
class StepJob final : public Job {
 public:
  Status run(Engine& engine) override { return program->run_step(engine, input, result); }
  void let_go() override { program.reset(); }

  std::shared_ptr<Program> program;
  StepInput input;
};

// Gives a slot another token mask. Used again by the program once it was run and let go of it.
class SetMaskJob final : public Job {
 public:
  Status run(Engine& engine) override {
    return program->slots().set_mask(engine.backend(), slot, words);
  }
  void let_go() override { program.reset(); }

  std::shared_ptr<Program> program;
  i32 slot = 0;
  std::vector<i32> words;
};

class SetSlotJob final : public Job {
 public:
  SetSlotJob(std::shared_ptr<Program> program, i32 slot, SlotSetting setting)
      : program_(std::move(program)), slot_(slot), setting_(std::move(setting)) {}
  Status run(Engine& engine) override {
    return program_->slots().set(engine.backend(), slot_, setting_);
  }
  void let_go() override { program_.reset(); }

 private:
  std::shared_ptr<Program> program_;
  const i32 slot_;
  const SlotSetting setting_;
};
