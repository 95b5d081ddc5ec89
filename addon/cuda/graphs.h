#pragma once
// Launches of a step, recorded once and replayed: one call to the driver instead of hundreds.

#include <functional>
#include <map>
#include <mutex>

#include "../backend.h"
#include "stream_launcher.h"

namespace cuda {

// Engine thread.
//
// Under a key, ops run as they are the first time (kernels are loaded and workspaces take their
// size), are captured into a CUDA graph the second time, and replayed from then on. A recording
// holds pointers, so it is dropped when a workspace moved.
class Graphs {
 public:
  // `gate` is held while ops are captured: meanwhile no other thread may touch the stream.
  Graphs(StreamLauncher& launcher, std::mutex& gate) : launcher_(launcher), gate_(gate) {}
  ~Graphs();
  Graphs(const Graphs&) = delete;
  Graphs& operator=(const Graphs&) = delete;

  Status run(const RecordKey& key, const std::function<Status()>& ops);
  // Drops what was recorded for a program. What is running ends as it should.
  void forget(u64 program);

 private:
  struct Recording {
    CuGraphExec exec = nullptr;  // null: ops ran once and were not captured yet
    u64 num_moves = 0;           // of workspaces, when they were
  };
  struct Less {
    bool operator()(const RecordKey& a, const RecordKey& b) const;
  };

  Status capture(const std::function<Status()>& ops, CuGraph* graph);
  Status record(const std::function<Status()>& ops, Recording* recording);
  Status launch(const Recording& recording);
  void destroy(Recording& recording);

  StreamLauncher& launcher_;
  std::mutex& gate_;
  std::map<RecordKey, Recording, Less> recordings_;
};

// The bucket of a step with num_rows rows of decode: few enough that each is worth its recording,
// close enough that padding costs little. 0: past the last one.
i32 recorded_rows(i32 num_rows);

}  // namespace cuda
