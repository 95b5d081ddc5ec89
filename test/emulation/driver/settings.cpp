#include "settings.h"

#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace emulated {
namespace {

i64 number(const char* variable, i64 otherwise) {
  const char* const text = std::getenv(variable);
  return text != nullptr && text[0] != '\0' ? std::atoll(text) : otherwise;
}

}  // namespace

Settings read_settings() {
  Settings settings = {.num_gpus = i32(number("PA_EMULATED_GPUS", 1)),
                       .major = 9,
                       .minor = 0,
                       .num_sms = i32(number("PA_EMULATED_SMS", 4)),
                       .driver_version = i32(number("PA_EMULATED_DRIVER_VERSION", 13000)),
                       .memory_bytes = number("PA_EMULATED_MEMORY_BYTES", i64{2} << 30),
                       .max_delay_us = i32(number("PA_EMULATED_DELAY_US", 0)),
                       .seed = u64(number("PA_EMULATED_SEED", 1))};
  if (const char* const text = std::getenv("PA_EMULATED_CAPABILITY")) {
    std::sscanf(text, "%d.%d", &settings.major, &settings.minor);
  }
  return settings;
}

std::vector<ArmedFailure> read_failures() {
  std::vector<ArmedFailure> failures;
  const char* const text = std::getenv("PA_EMULATED_FAIL");
  std::istringstream items(text != nullptr ? text : "");
  for (std::string item; std::getline(items, item, ',');) {
    char call[64];
    ArmedFailure failure;
    if (std::sscanf(item.c_str(), "%63[^:]:%d:%d", call, &failure.n, &failure.result) != 3)
      continue;
    failure.call = call;
    failures.push_back(failure);
  }
  return failures;
}

i32 shared_bytes_per_sm(const Settings& settings) {
  const i32 capability = settings.major * 10 + settings.minor;
  if (capability == 80 || capability == 87) return 164 << 10;
  return settings.major == 8 || settings.major == 12 ? 100 << 10 : 228 << 10;
}

i32 max_shared_bytes(const Settings& settings) {
  return shared_bytes_per_sm(settings) - (1 << 10);  // one KiB of each CTA is the system's
}

}  // namespace emulated
