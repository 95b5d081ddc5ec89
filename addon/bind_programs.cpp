// Bindings of direct ops, recorded programs and their steps.

#include <algorithm>

#include "bindings.h"
#include "direct_jobs.h"
#include "op_reader.h"
#include "program_reader.h"

namespace {

// Backend::<op>           addon/backend.h
// lib/device/native.ts    runOp(device, op: OpRecord, id): void
void RunOp(const Napi::CallbackInfo& info) {
  auto job = std::make_shared<RunOpJob>(read_op(Fields(info[1]), nullptr));
  device_of(info)->submit(std::move(job), unsigned_number(info, 2));
}

// Backend::sample         addon/backend.h
// lib/device/native.ts    runSample(device, o, into: ArrayBuffer, id): void
void RunSample(const Napi::CallbackInfo& info) {
  const Fields o(info[1]);
  Op op = read_op(o, nullptr);
  if (op.kind != OpKind::kSample) o.refuse("kind", "'sample'");
  const SampleParams& params = std::get<SampleParams>(op.params);
  std::vector<SlotSetting> slots;
  const Napi::Array settings = o.value("slots").As<Napi::Array>();
  slots.reserve(settings.Length());
  for (u32 i = 0; i < settings.Length(); i++) {
    slots.push_back(read_slot(Fields(settings.Get(i)), params.vocab_size));
  }
  std::vector<i32> row_slots = o.integers("rowSlots");
  std::vector<i32> row_positions = o.integers("rowPositions");
  const size_t num_rows = static_cast<size_t>(op.rows.count);
  if (row_slots.size() != num_rows || row_positions.size() != num_rows) {
    o.refuse("rowSlots", "as long as the rows");
  }
  const i32 num_slots = static_cast<i32>(slots.size());
  for (const i32 slot : row_slots) {
    if (slot < -1 || slot >= num_slots) o.refuse("rowSlots", "inside the slots");
  }
  auto job = std::make_shared<RunSampleJob>(std::move(op), std::move(slots), std::move(row_slots),
                                            std::move(row_positions), o.flag("wantDigests"));
  device_of(info)->submit(std::move(job), unsigned_number(info, 3), array_buffer(info, 2));
}

// Program::open           addon/program.cpp
// lib/device/native.ts    createProgram(device, o): NativeProgram
//
// Waits for the job that runs just now.
Napi::Value CreateProgram(const Napi::CallbackInfo& info) {
  Engine& engine = device_of(info)->engine();
  const std::shared_ptr<Memory> memory = engine.memory().shared_from_this();
  const auto program = std::make_shared<Program>(memory, read_program(Fields(info[1]), *memory));
  OpenProgramJob job(*program);
  throw_if_failed(info.Env(), engine.run_now(job));
  return wrap(info.Env(), program);
}

// Program::run_step       addon/program.cpp
// lib/device/native.ts    submitStep(device, program, step: ArrayBuffer, into: ArrayBuffer, id):
// void
//
// Everything is copied when it returns.
void SubmitStep(const Napi::CallbackInfo& info) {
  const auto program = unwrap<Program>(info[1], "program");
  Napi::ArrayBuffer step = array_buffer(info, 2);
  const auto job = program->take_step_job();
  const size_t bytes = static_cast<size_t>(program->sections().length) * sizeof(i32);
  const i32* words = static_cast<const i32*>(step.Data());
  if (step.ByteLength() != bytes ||
      !job->input.copy_from(words, program->sections(), program->limits())) {
    throw_error(info.Env(), "ERR_NATIVE", "the step is no step of this program");
  }
  job->program = program;
  device_of(info)->submit(job, unsigned_number(info, 4), array_buffer(info, 3));
}

// SamplingSlots::set      addon/sampling_slots.cpp
// lib/device/native.ts    setSamplingSlot(device, program, slot, o: NativeSamplingSlot): void
void SetSamplingSlot(const Napi::CallbackInfo& info) {
  auto program = unwrap<Program>(info[1], "program");
  const u32 slot = unsigned_number(info, 2);
  if (slot >= static_cast<u32>(program->limits().num_sampling_slots)) {
    throw_error(info.Env(), "ERR_NATIVE", "slot is past the last one");
  }
  SlotSetting setting = read_slot(Fields(info[3]), program->limits().vocab_size);
  device_of(info)->submit(
      std::make_shared<SetSlotJob>(std::move(program), static_cast<i32>(slot), std::move(setting)),
      0);
}

// SamplingSlots::set_mask addon/sampling_slots.cpp
// lib/device/native.ts    setSlotMask(device, program, slot, mask: Int32Array): void
//
// The mask is copied when it returns.
void SetSlotMask(const Napi::CallbackInfo& info) {
  const auto program = unwrap<Program>(info[1], "program");
  const u32 slot = unsigned_number(info, 2);
  const ProgramLimits& limits = program->limits();
  if (slot >= static_cast<u32>(limits.num_sampling_slots)) {
    throw_error(info.Env(), "ERR_NATIVE", "slot is past the last one");
  }
  const bool is_typed =
      info[3].IsTypedArray() && info[3].As<Napi::TypedArray>().TypedArrayType() == napi_int32_array;
  if (!is_typed ||
      info[3].As<Napi::Int32Array>().ElementLength() != mask_words(limits.vocab_size)) {
    throw_error(info.Env(), "ERR_NATIVE", "mask is not as long as the vocabulary");
  }
  const Napi::Int32Array mask = info[3].As<Napi::Int32Array>();
  const auto job = program->take_mask_job();
  job->program = program;
  job->slot = static_cast<i32>(slot);
  job->words.assign(mask.Data(), mask.Data() + mask.ElementLength());
  device_of(info)->submit(job, 0);
}

// Program::~Program       addon/program.h
// lib/device/native.ts    freeProgram(device, program): void
void FreeProgram(const Napi::CallbackInfo& info) {
  auto program = unwrap<Program>(info[1], "program");
  handle_of<Program>(info[1], "program").value.reset();
  device_of(info)->submit(std::make_shared<FreeJob>(std::move(program)), 0);
}

}  // namespace

void export_programs(Napi::Env env, Napi::Object exports) {
  exports.Set("runOp", Napi::Function::New<RunOp>(env, "runOp"));
  exports.Set("runSample", Napi::Function::New<RunSample>(env, "runSample"));
  exports.Set("createProgram", Napi::Function::New<CreateProgram>(env, "createProgram"));
  exports.Set("submitStep", Napi::Function::New<SubmitStep>(env, "submitStep"));
  exports.Set("setSamplingSlot", Napi::Function::New<SetSamplingSlot>(env, "setSamplingSlot"));
  exports.Set("setSlotMask", Napi::Function::New<SetSlotMask>(env, "setSlotMask"));
  exports.Set("freeProgram", Napi::Function::New<FreeProgram>(env, "freeProgram"));
}
