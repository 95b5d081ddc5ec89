// Runs all tests, or those whose sentence contains an argument; prints "N passed, N failed" last.

#include "check.h"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

namespace check {
namespace {

constexpr int kMaxLinesPerTest = 20;

struct Test {
  const char* sentence;
  void (*body)();
};

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

std::vector<std::string>& cases() {
  static std::vector<std::string> open;
  return open;
}

int num_failures = 0;  // of the running test

bool is_asked_for(const Test& test, int argc, char** argv) {
  if (argc < 2) return true;
  for (int i = 1; i < argc; ++i) {
    if (std::strstr(test.sentence, argv[i]) != nullptr) return true;
  }
  return false;
}

}  // namespace

void register_test(const char* sentence, void (*body)()) { tests().push_back({sentence, body}); }

void fail(const char* file, int line, const std::string& message) {
  if (++num_failures > kMaxLinesPerTest) return;
  std::printf("  %s:%d: %s\n", file, line, message.c_str());
  for (const std::string& description : cases()) std::printf("    in %s\n", description.c_str());
}

Case::Case(const std::string& description) { cases().push_back(description); }
Case::~Case() { cases().pop_back(); }

static int run_all(int argc, char** argv) {
  using Clock = std::chrono::steady_clock;
  int num_passed = 0;
  int num_failed = 0;
  for (const Test& test : tests()) {
    if (!is_asked_for(test, argc, argv)) continue;
    num_failures = 0;
    const Clock::time_point start = Clock::now();
    test.body();
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    std::printf("%s  %s (%.0f ms)\n", num_failures == 0 ? "pass" : "FAIL", test.sentence, ms);
    std::fflush(stdout);
    (num_failures == 0 ? num_passed : num_failed) += 1;
  }
  std::printf("%d passed, %d failed\n", num_passed, num_failed);
  return num_failed == 0 && num_passed > 0 ? 0 : 1;
}

}  // namespace check

int main(int argc, char** argv) { return check::run_all(argc, argv); }
