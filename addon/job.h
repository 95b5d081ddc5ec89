#pragma once
// One piece of work for the engine thread.

#include <memory>
#include <vector>

#include "../cuda/params.h"
#include "live_objects.h"
#include "status.h"

class Engine;

class Job : public std::enable_shared_from_this<Job>, public Counted<Job> {
 public:
  virtual ~Job() = default;

  // Engine thread. Does the work.
  virtual Status run(Engine& engine) = 0;
  // Engine thread, after run(). Lets go of buffers, so that memory does not wait for JavaScript.
  virtual void let_go() {}
  // A job of another thread's: run() only hands it over, and that thread reports it.
  virtual bool is_handed_over() const { return false; }

  u32 id = 0;              // completion id; 0 is reported to nobody
  Status status;           // set before it is reported
  std::vector<u8> result;  // bytes for JavaScript; filled by run()
};
