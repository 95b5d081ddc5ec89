#pragma once
// What the emulated GPU is, from the environment: README.md has the variables.

#include <string>
#include <vector>

#include "../../../cuda/params.h"

namespace emulated {

struct Settings {
  i32 num_gpus;
  i32 major;
  i32 minor;
  i32 num_sms;
  i32 driver_version;
  i64 memory_bytes;
  i32 max_delay_us;
  u64 seed;
};

Settings read_settings();

// "call:n:result,…" of PA_EMULATED_FAIL.
struct ArmedFailure {
  std::string call;
  i32 n;
  i32 result;
};
std::vector<ArmedFailure> read_failures();

// By compute capability, as the CUDA programming guide lists them.
i32 max_shared_bytes(const Settings& settings);
i32 shared_bytes_per_sm(const Settings& settings);

}  // namespace emulated
