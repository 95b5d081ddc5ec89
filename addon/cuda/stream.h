#pragma once
// Streams and events, owned.

#include "context.h"

namespace cuda {

// Work in the order it was queued; beside other streams, and never behind the default one.
class Stream {
 public:
  explicit Stream(Context& context) : context_(context) {}
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Status open();
  CuStream handle() const { return handle_; }
  // Waits until everything queued so far is done; errors of kernels surface here.
  Status synchronize();

 private:
  Context& context_;
  CuStream handle_ = nullptr;
};

// A place in a stream. Before the first record() it counts as reached.
class Event {
 public:
  explicit Event(Context& context) : context_(context) {}
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  Status open();
  Status record(const Stream& stream);
  // Waits on this thread.
  Status synchronize();
  // What is queued on `stream` from now on waits.
  Status hold_back(const Stream& stream);

 private:
  Context& context_;
  CuEvent handle_ = nullptr;
};

}  // namespace cuda
