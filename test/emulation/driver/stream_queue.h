#pragma once
// Streams as queues with a thread each, places in them, and capture.

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "gpu.h"

namespace emulated {

// A piece of queued work; gives how it failed.
using Work = std::function<CuResult()>;

// A place in a stream, reached once what was queued before it is done.
class Mark {
 public:
  void reach();
  void wait();

 private:
  bool is_reached_ = false;
};

// Queued work waits up to so long before it is done.
void set_max_delay_us(i32 max_us, u64 seed);

// Ends the capture that this thread has begun, if there is one.
bool invalidate_own_capture();

}  // namespace emulated

namespace cuda {

// Handles are pointers to these.

struct CuStreamHandle {
  CuStreamHandle();
  ~CuStreamHandle();  // when all is done

  // Queues the work, or adds it to the capture.
  CuResult push(emulated::Work work);
  // Queues something that happens even after a failure, and is never captured.
  CuResult push_mark(std::function<void()> mark);
  CuResult wait_until_idle();

  CuResult begin_capture();
  CuResult end_capture(std::vector<emulated::Work>* nodes);
  // Fails when the stream is being captured, which ends the capture.
  CuResult check_not_capturing();
  void invalidate_capture();

 private:
  struct Item {
    emulated::Work work;
    std::function<void()> mark;
  };
  struct Capture {
    bool is_active = false;
    bool is_valid = false;
    std::thread::id owner;
    std::vector<emulated::Work> nodes;
  };

  void loop();
  void do_item(const Item& item);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<Item> queue_;  // guarded by mutex_, as is what follows
  bool is_busy_ = false;
  bool is_stopping_ = false;
  Capture capture_;
  std::thread thread_;
};

struct CuEventHandle {
  std::mutex mutex;
  std::shared_ptr<emulated::Mark> mark;  // of the last record; null before the first
};

}  // namespace cuda
