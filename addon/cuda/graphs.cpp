#include "graphs.h"

#include <algorithm>
#include <tuple>

namespace cuda {

bool Graphs::Less::operator()(const RecordKey& a, const RecordKey& b) const {
  return std::tie(a.program, a.rows, a.want_digests) < std::tie(b.program, b.rows, b.want_digests);
}

Graphs::~Graphs() {
  for (auto& [key, recording] : recordings_) destroy(recording);
}

Status Graphs::run(const RecordKey& key, const std::function<Status()>& ops) {
  const auto found = recordings_.find(key);
  if (found != recordings_.end() && found->second.num_moves == launcher_.num_moves()) {
    Recording& recording = found->second;
    if (recording.exec != nullptr) return launch(recording);
    Status status = record(ops, &recording);
    return status.is_ok() ? launch(recording) : status;
  }
  if (found != recordings_.end()) {
    destroy(found->second);
    recordings_.erase(found);
  }
  Status status = ops();
  if (status.is_ok()) recordings_[key] = {nullptr, launcher_.num_moves()};
  return status;
}

// Whatever ops gives, the stream is out of capture when this returns.
Status Graphs::capture(const std::function<Status()>& ops, CuGraph* graph) {
  Context& context = launcher_.context();
  const CuStream stream = launcher_.stream().handle();
  const std::lock_guard lock(gate_);
  Status status = context.check(
      context.driver().stream_begin_capture(stream, kCuCaptureThreadLocal), "cuStreamBeginCapture");
  if (!status.is_ok()) return status;
  launcher_.set_capturing(true);
  status = ops();
  launcher_.set_capturing(false);
  const CuResult ended = context.driver().stream_end_capture(stream, graph);
  return status.is_ok() ? context.check(ended, "cuStreamEndCapture") : status;
}

Status Graphs::record(const std::function<Status()>& ops, Recording* recording) {
  Context& context = launcher_.context();
  CuGraph graph = nullptr;
  Status status = capture(ops, &graph);
  if (status.is_ok()) {
    status = context.check(context.driver().graph_instantiate(&recording->exec, graph, 0),
                           "cuGraphInstantiate");
  }
  if (!status.is_ok()) recording->exec = nullptr;
  if (graph != nullptr) context.driver().graph_destroy(graph);
  return status;
}

Status Graphs::launch(const Recording& recording) {
  Context& context = launcher_.context();
  return context.check(context.driver().graph_launch(recording.exec, launcher_.stream().handle()),
                       "cuGraphLaunch");
}

void Graphs::destroy(Recording& recording) {
  if (recording.exec != nullptr) launcher_.context().driver().graph_exec_destroy(recording.exec);
  recording.exec = nullptr;
}

void Graphs::forget(u64 program) {
  for (auto place = recordings_.begin(); place != recordings_.end();) {
    if (place->first.program != program) {
      ++place;
      continue;
    }
    destroy(place->second);
    place = recordings_.erase(place);
  }
}

i32 recorded_rows(i32 num_rows) {
  static constexpr i32 kBuckets[] = {1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256};
  if (num_rows <= 0) return 0;
  const i32* const bucket = std::lower_bound(std::begin(kBuckets), std::end(kBuckets), num_rows);
  return bucket == std::end(kBuckets) ? 0 : *bucket;
}

}  // namespace cuda
