#pragma once
// One device as one JavaScript environment sees it. JavaScript thread only, but for the engine.

#include <napi.h>

#include <memory>
#include <unordered_map>

#include "completion_queue.h"
#include "engine.h"

class Environment;

class DeviceState : public std::enable_shared_from_this<DeviceState> {
 public:
  DeviceState(Environment& environment, std::unique_ptr<Backend> backend,
              Napi::Function on_completions);
  ~DeviceState();

  Engine& engine() { return engine_; }

  // Queues a job that is reported to JavaScript as `id` (0: to nobody). The process stays alive,
  // and this object too, until it is. Where given, `into` receives the job's result first.
  void submit(std::shared_ptr<Job> job, u32 id);
  void submit(std::shared_ptr<Job> job, u32 id, Napi::ArrayBuffer into);
  // Queues the end of the engine, reported as `id`.
  void close(u32 id);

  // Copies the results of finished jobs to where they are awaited and tells JavaScript.
  void deliver(Napi::Env env, const std::vector<Completion>& completions);
  // At the end of the environment: cancels, joins, and lets go of JavaScript objects.
  void abandon();

 private:
  void expect_one();

  Environment* environment_;  // null once abandoned
  Napi::FunctionReference on_completions_;
  std::unordered_map<u32, Napi::Reference<Napi::ArrayBuffer>> awaited_results_;
  int num_unfinished_ = 0;
  u32 close_id_ = 0;
  Engine engine_;  // last: its threads end before the rest goes
};
