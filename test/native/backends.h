#pragma once
// Every instruction set of this machine times 1, 2 and 3 threads: all must give the same bits.

#include <memory>
#include <string>
#include <vector>

#include "../../addon/backend.h"
#include "check.h"

struct OpenBackend {
  std::string label;  // "avx2, 3 threads"
  std::unique_ptr<Backend> backend;
};

// Opened once; the portable one with one thread comes first.
const std::vector<OpenBackend>& all_backends();

// The best instruction set of this machine, two threads.
Backend& best_backend();

// Calls run(backend), which gives a comparable result (bits), on every backend; checks that all
// equal the first and gives that one.
template <class Run>
auto same_on_all_backends(Run&& run) {
  const std::vector<OpenBackend>& all = all_backends();
  const auto expected = run(*all[0].backend);
  for (size_t i = 1; i < all.size(); ++i) {
    if (run(*all[i].backend) == expected) continue;
    check::fail(__FILE__, __LINE__, all[i].label + " differs from " + all[0].label);
  }
  return expected;
}

// Fails the running test unless the status is fine.
void check_ok(const Status& status);

// A packed weight and its memory.
class TestWeight {
 public:
  TestWeight(Backend& backend, DType dtype, i32 in_dim, const std::vector<WeightPart>& parts);
  ~TestWeight();
  TestWeight(const TestWeight&) = delete;
  TestWeight& operator=(const TestWeight&) = delete;
  PackedWeight view() const { return view_; }

 private:
  Backend& backend_;
  size_t bytes_;
  PackedWeight view_;
};
