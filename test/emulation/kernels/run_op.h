#pragma once
// Runs ops for their tests: on a fresh launcher, and they must succeed.

#include <string>

#include "../../../addon/cuda/ops.h"
#include "../compare.h"
#include "../device_array.h"
#include "../emulated_launcher.h"

namespace emulation {

// Runs the op; gives the name of the kernel that it launched last.
template <class Params>
std::string run_op(Status (*op)(cuda::Launcher&, const Params&), const Params& params) {
  EmulatedLauncher launcher;
  const Status status = op(launcher, params);
  CHECK_EQUAL(status.message(), "");
  return launcher.last_kernel();
}

}  // namespace emulation
