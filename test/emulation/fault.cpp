// Reports of what a kernel did wrong; they end the process.

#include <signal.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "cta_state.h"
#include "device_region.h"
#include "runtime.h"

namespace emulation {
namespace {

void print_place() {
  if (current == nullptr || current->cta == nullptr) return;
  const Cta& cta = *current->cta;
  const Index3& block = cta.grid.block_index;
  std::fprintf(stderr, "\n  kernel %s, CTA %u,%u,%u", cta.kernel->name, block.x, block.y, block.z);
  if (current == &cta.main) return;
  const Index3& index = current->index;
  std::fprintf(stderr, ", thread %u,%u,%u", index.x, index.y, index.z);
  if (current->waiting_in != nullptr) {
    std::fprintf(stderr, ", last in %s at %s:%d", current->waiting_in, current->waiting_at.file,
                 current->waiting_at.line);
  }
}

[[maybe_unused]] void on_crash(int number, siginfo_t* info, void*) {
  std::fprintf(stderr, "emulation: signal %d at address %p: %s", number, info->si_addr,
               describe_device_address(info->si_addr).c_str());
  print_place();
  std::fprintf(stderr, "\n");
  std::fflush(stderr);
  _exit(kFaultExitCode);
}

}  // namespace

void fault(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::fflush(stdout);
  std::fprintf(stderr, "emulation: ");
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  print_place();
  std::fprintf(stderr, "\n");
  std::fflush(stderr);
  _exit(kFaultExitCode);
}

#if !defined(PA_EMULATION_CHECK)
u32 num_reports() { return 0; }
#endif

void report_crashes() {
#if !defined(__SANITIZE_ADDRESS__)
  // Its own stack: the address may be a fiber's guard page.
  static char stack[64 << 10];
  stack_t alternative = {};
  alternative.ss_sp = stack;
  alternative.ss_size = sizeof stack;
  sigaltstack(&alternative, nullptr);
  struct sigaction action = {};
  action.sa_sigaction = on_crash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
#endif
}

}  // namespace emulation
