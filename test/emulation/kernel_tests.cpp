// kernel_tests [filter…] [--all] [--order a|d|r<seed>] [--threads n] [--report file.json]
//
// Runs the tests whose sentence contains a filter, or all; $PA_SEED repeats a run's inputs. --all runs
// the full product of shapes instead of a pairwise cover.

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "compare.h"
#include "device_array.h"
#include "kernels/pairwise.h"
#include "runtime.h"

int check_main(int argc, char** argv);  // of test/native/check.cpp

namespace emulation {

u64 run_seed() {
  static const u64 seed = [] {
    const char* const given = std::getenv("PA_SEED");
    if (given != nullptr) return u64(std::strtoull(given, nullptr, 10));
    return u64(std::time(nullptr)) * 1000003 % 1000000007;
  }();
  return seed;
}

}  // namespace emulation

int main(int argc, char** argv) {
  std::vector<char*> filters = {argv[0]};
  std::string report;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option.rfind("--", 0) != 0) {
      filters.push_back(argv[i]);
      continue;
    }
    if (option == "--all") {
      emulation::run_all_shapes();
      continue;
    }
    const std::string value = i + 1 < argc ? argv[++i] : "";
    const int number = std::atoi(value.c_str());
    if (option == "--report" && !value.empty()) {
      report = value;
    } else if (option == "--threads" && number > 0) {
      emulation::set_num_threads(u32(number));
    } else if (option != "--order" || !emulation::set_order(value)) {
      std::fprintf(stderr, "%s %s is not an option\n", option.c_str(), value.c_str());
      return 2;
    }
  }
  emulation::report_crashes();
  std::printf("order %s, PA_SEED=%llu\n", emulation::order_name().c_str(), emulation::run_seed());
  const int result = check_main(int(filters.size()), filters.data());
  if (!report.empty() && !emulation::write_report(report)) return 2;
  if (emulation::num_reports() == 0) return result;
  std::printf("%u reports of the check\n", emulation::num_reports());
  return 98;
}
