// Every planted bug is reported by the builds that can see it, whatever the order of threads; its
// correct twin is silent. Each kernel runs in a child process: a report ends it.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "../device_array.h"
#include "planted_params.h"

namespace {

struct Bug {
  const char* kernel;
  // What the child prints; null where this build cannot see it in every order.
  const char* plain;
  const char* asan;
  const char* check;
};

#if defined(PA_EMULATION_CHECK)
const char* expected_of(const Bug& bug) { return bug.check; }
#elif defined(__SANITIZE_ADDRESS__)
const char* expected_of(const Bug& bug) { return bug.asan; }
#else
const char* expected_of(const Bug& bug) { return bug.plain; }
#endif

constexpr char kWrong[] = "wrong output";
constexpr char kGuards[] = "guards overwritten";
constexpr char kPoisoned[] = "use-after-poison";
constexpr char kBounds[] = "check: out of bounds";
constexpr char kUnwritten[] = "check: uninitialised";
constexpr char kInFlight[] = "check: an asynchronous copy is in flight";
constexpr char kRace[] = "check: race";

const Bug kBugs[] = {
    {"shared_overflow", "values has 400 bytes; byte 400 was written", kPoisoned, kBounds},
    {"shared_over_read", kWrong, kPoisoned, kBounds},
    {"dynamic_overflow", "dynamic shared memory has 512 bytes", kPoisoned, kBounds},
    {"global_over_read", kWrong, kPoisoned, kBounds},
    {"global_under_read", kWrong, kPoisoned, kBounds},
    {"global_overflow", kGuards, kPoisoned, kBounds},
    {"unwritten_shared", kWrong, kWrong, kUnwritten},
    {"unwritten_global", nullptr, nullptr, kUnwritten},
    {"missing_wait", kWrong, kWrong, kInFlight},
    {"wait_for_too_few", kWrong, kWrong, kInFlight},
    {"missing_commit", kWrong, kWrong, kInFlight},
    {"copy_over_read", kWrong, kPoisoned, kBounds},
    {"misaligned_load", "misaligned", "misaligned", "misaligned"},
    {"misaligned_type", nullptr, "misaligned address", "check: misaligned"},
    {"misaligned_copy", "not 16-byte aligned", "not 16-byte aligned", "not 16-byte aligned"},
    {"matrix_outside", kWrong, kPoisoned, kBounds},
    {"host_pointer", nullptr, nullptr, "check: not memory of the GPU"},
    {"large_shared", "49664 static", "49664 static", "49664 static"},
    {"failed_assertion", "assertion failed", "assertion failed", "assertion failed"},
    {"no_barrier_before_read", nullptr, nullptr, "check: "},
    {"no_barrier_before_refill", nullptr, nullptr, kRace},
    {"copy_before_read_is_done", nullptr, nullptr, "check: "},
    {"wait_after_barrier", nullptr, nullptr, "check: "},
    {"two_writers", nullptr, nullptr, "check: race (write after write)"},
    {"shuffle_as_fence", nullptr, nullptr, "check: race (read after write)"},
    {"matrix_without_sync_warp", nullptr, nullptr, "check: race (read after write)"},
    {"half_a_warp_synchronises", nullptr, nullptr, "check: "},
    {"atomic_without_barrier", nullptr, nullptr, "check: race"},
    {"divergent_barrier", "divergent barrier", "divergent barrier", "divergent barrier"},
    {"deadlock", "64 threads wait in named_barrier", "64 threads wait", "64 threads wait"},
    {"barrier_beside_warp", "deadlock", "deadlock", "deadlock"},
    {"mask_without_caller", "does not name the calling lane", "does not name", "does not name"},
    {"shuffle_from_outside", "shuffle from lane 16", "shuffle from", "shuffle from"},
    {"collective_after_exit", "exit", "exit", "exit"},
    {"different_collectives", "divergent warp", "divergent warp", "divergent warp"},
    {"ctas_write_one_word", nullptr, nullptr, "check: race (write after write)"},
    {"last_cta_without_fence", nullptr, nullptr, "check: race (read after write)"},
    {"last_cta_without_atomic", nullptr, nullptr, "check: race"},
    {"last_cta_without_fence_after", nullptr, nullptr, "check: race (read after write)"},
    {"no_fences_before", nullptr, nullptr, "check: race (read after write)"},
    {"no_fences_after", nullptr, nullptr, "check: race (read after write)"},
    {"last_cta_without_barrier", nullptr, nullptr, "check: race (read after write)"},
};

// In the child: what the kernel gave, as text on stderr.
void run_planted(const Bug& bug, bool has_bug) {
  constexpr size_t kThreads = 128;
  emulation::set_num_threads(1);
  static const std::vector<f32> host_values(kThreads, 1.0f);
  const emulation::DeviceArray<f32> out(2 * kThreads);
  const emulation::DeviceArray<f32> in(host_values);
  const emulation::DeviceArray<f32> partial(2);
  const emulation::DeviceArray<u32> counter(1, 0);
  const bool reads_host = has_bug && std::string(bug.kernel) == "host_pointer";
  const PlantedParams params = {out.data(), reads_host ? host_values.data() : in.data(),
                                partial.data(), counter.data(), has_bug};
  const char* const problem =
      emulation::run({.kernel = emulation::find_kernel(std::string("planted_") + bug.kernel),
                      .grid = {2, 1, 1},
                      .block = {kThreads, 1, 1},
                      .shared_bytes = kThreads * 4,
                      .params = &params,
                      .params_bytes = sizeof params});
  if (problem != nullptr) std::fprintf(stderr, "%s\n", problem);
  if (!emulation::has_intact_guards(out.data())) std::fprintf(stderr, "%s\n", kGuards);
  for (const f32 value : out.download()) {
    if (value == 1.0f) continue;
    std::fprintf(stderr, "%s\n", kWrong);
    break;
  }
  std::fflush(stderr);
  _exit(0);
}

// What the child printed.
std::string output_of(const Bug& bug, bool has_bug) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    run_planted(bug, has_bug);
  }
  close(ends[1]);
  std::string output;
  char buffer[4096];
  for (ssize_t bytes; (bytes = read(ends[0], buffer, sizeof buffer)) > 0;) {
    output.append(buffer, size_t(bytes));
  }
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return output;
}

}  // namespace

TEST("emulation: planted bugs are reported, with the kernel's file") {
  for (const Bug& bug : kBugs) {
    const char* const expected = expected_of(bug);
    if (expected == nullptr) continue;
    const std::string output = output_of(bug, true);
    if (output.find(expected) == std::string::npos) {
      check::fail(__FILE__, __LINE__,
                  check::text(bug.kernel, " printed \"", output, "\"; expected ", expected));
    }
    const bool is_report = expected != kWrong && expected != kGuards && output != kWrong;
    if (is_report && output.find("planted_") == std::string::npos) {
      check::fail(__FILE__, __LINE__, check::text(bug.kernel, " names no file: ", output));
    }
  }
}

TEST("emulation: correct twins of planted bugs are silent") {
  for (const Bug& bug : kBugs) {
    const std::string output = output_of(bug, false);
    if (!output.empty()) {
      check::fail(__FILE__, __LINE__, check::text(bug.kernel, " printed \"", output, "\""));
    }
  }
}
