#pragma once
// Which accesses happened before which: vector clocks inside a CTA, fences and atomics between
// CTAs. Part of the checking build; one OS thread runs all CTAs, one after the other.

#include <map>
#include <memory>
#include <vector>

#include "../../cuda/params.h"

namespace emulation::check {

// When a thread made an access: the CTA's serial number (in the order run), the thread, its clock.
// 0 is never.
using Event = u64;

inline u32 cta_of(Event event) { return u32(event >> 34); }
inline u32 thread_of(Event event) { return u32(event >> 24) & 1023; }
inline u32 clock_of(Event event) { return u32(event) & 0xffffff; }

class Ordering {
 public:
  void begin_launch();
  void begin_cta(u32 num_threads);
  Event now(u32 thread) const { return u64(serial_) << 34 | u64(thread) << 24 | clocks_[thread]; }
  bool is_before(Event event, u32 thread) const;
  u32 launch_index(Event event) const { return cta_of(event) - first_serial_; }

  // These threads met at a barrier.
  void meet(const std::vector<u32>& threads);
  // fence_device(): what the thread knows may be released by its atomics, and by those of threads
  // it meets later; what earlier atomics saw, its own or of threads it met, is known from now on.
  void fence(u32 thread);
  void atomic(u32 thread, const void* address);

 private:
  using Clocks = std::vector<u32>;
  // Of other CTAs of the launch: all events of a CTA up to these clocks are known.
  using Known = std::map<u32, std::shared_ptr<const Clocks>>;
  struct Facts {
    Known known;
    Known acquired;  // by atomics; known after a fence
    Known released;  // by fences; passed on by the next atomic
  };
  static void add(Facts* to, const Facts& from);
  static void add(Known* to, u32 serial, const std::shared_ptr<const Clocks>& clocks);
  static void add(Known* to, const Known& from);
  void meet_all();

  u32 serial_ = 0;
  u32 first_serial_ = 1;
  Clocks clocks_;  // of each thread, advanced when it synchronises
  // What every thread knows since the last barrier of all; what each knows beside it, through
  // barriers of some.
  Clocks base_clocks_;
  Facts base_facts_;
  std::vector<Clocks> clocks_of_;
  std::vector<Facts> facts_of_;
  std::map<const void*, Known> released_;  // by the address of the atomic
};

Ordering& ordering();

}  // namespace emulation::check
