#pragma once
// How many objects of a kind live in this process, over all of its environments: what a Worker that was
// ended in the middle of its work left behind shows here. Any thread.

#include <atomic>

#include "../cuda/params.h"

// Counts the objects of T, which inherits from it.
template <class T>
class Counted {
 public:
  static i64 num_live() { return num_live_.load(std::memory_order_relaxed); }

 private:
  friend T;
  Counted() { num_live_.fetch_add(1, std::memory_order_relaxed); }
  Counted(const Counted&) : Counted() {}
  Counted& operator=(const Counted&) = default;
  ~Counted() { num_live_.fetch_sub(1, std::memory_order_relaxed); }

  static inline std::atomic<i64> num_live_{0};
};

// Devices whose threads run: one that was closed is none, whoever still has a handle of it.
inline std::atomic<i64> live_engines{0};
// Bytes that all devices of this process hold.
inline std::atomic<i64> live_device_bytes{0};
