// Prints what the emulation's operations cost; asserts nothing about time.

#include <time.h>

#include <cstdio>

#include "../device_array.h"
#include "../emulated_launcher.h"
#include "speed_params.h"

namespace {

// Of all threads of the process: the machine may be busy with other things.
double cpu_ns() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return double(time.tv_sec) * 1e9 + double(time.tv_nsec);
}

void measure(const char* kernel, const char* unit, i32 per_count, bool is_per_warp) {
  constexpr u32 kCtas = 4;
  constexpr u32 kThreads = 128;
  constexpr i32 kCount = 500;
  const emulation::DeviceArray<f32> out(kCtas * kThreads, 0.0f);
  emulation::EmulatedLauncher launcher;
  const SpeedParams params = {out.data(), kCount};
  const cuda::Grid grid = {.x = kCtas, .threads = kThreads, .shared_bytes = kThreads * 32};
  double best = 1e30;
  for (int i = 0; i < 3; ++i) {
    const double start = cpu_ns();
    CHECK_EQUAL(launcher.launch(kernel, grid, params).message(), "");
    best = std::min(best, cpu_ns() - start);
  }
  const double units =
      double(kCtas) * (is_per_warp ? kThreads / 32 : kThreads) * kCount * per_count;
  std::printf("  %-28s %7.1f ns per %s (CPU time)\n", kernel, best / units, unit);
}

}  // namespace

TEST("speed of the emulation's own operations") {
  measure("speed_multiply_with_loads", "mma and two ldmatrix of a warp", 1, true);
  measure("speed_multiply", "mma of a warp", 1, true);
  measure("speed_shuffle", "shuffle of a warp", 1, true);
  measure("speed_barrier", "barrier of a thread", 1, false);
  measure("speed_copy", "copy of 16 bytes", 1, false);
}
