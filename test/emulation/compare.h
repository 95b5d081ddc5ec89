#pragma once
// Compares what a kernel gave with the float64 reference of a test, and keeps the worst error per
// kernel for `--report <file>`.

#include <string>
#include <vector>

#include "../../cuda/params.h"

namespace emulation {

// |actual - expected| <= absolute + relative * |expected|. NaN is only equal to NaN, an infinity
// only to itself.
struct Tolerance {
  double absolute;
  double relative;
};

// Fails the running test at the worst element when one is out of tolerance. `kernel` is the name
// that the report counts the case under.
void check_close(const std::string& kernel, const std::vector<f32>& actual,
                 const std::vector<double>& expected, Tolerance tolerance, const char* file,
                 int line);

#define CHECK_CLOSE(kernel, actual, expected, tolerance) \
  ::emulation::check_close(kernel, actual, expected, tolerance, __FILE__, __LINE__)

// Counts a case whose result was compared bit by bit.
void note_exact_case(const std::string& kernel);

// Counts a launch, and keeps the most dynamic shared memory that the kernel was given.
void note_launch(const std::string& kernel, u32 shared_bytes);

// { "<kernel>": { "cases": n, "worst": error / tolerance, "absolute": …, "relative": …,
//   "launches": n, "dynamicSharedBytes": n } }; `npm run kernels` reads it.
bool write_report(const std::string& path);

}  // namespace emulation
