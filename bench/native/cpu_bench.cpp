// Throughput of the CPU backend beside this machine's ceilings, without Node.
//
//   cpu_bench [isa ...]        tables of matmul and attention, for the instruction sets named, or all
//   cpu_bench --json ceilings isa             one line of JSON; SECONDS_EACH (environment)
//   cpu_bench --json attention isa [rounds] [quick]   a line of JSON per layout of K and V
//
// THREADS (environment) sets the threads; default as the backend's. BENCH_CPU_TIME: see bench.h.

#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "../../addon/cpu/cpu_features.h"
#include "bench.h"

namespace {

// 0, the backend's default, when unset. Ends the process over anything but a number: a run with
// another number of threads than was asked for looks like one that scales badly.
int threads_from_environment() {
  const char* text = std::getenv("THREADS");
  if (text == nullptr) return 0;
  char* end = nullptr;
  const long threads = std::strtol(text, &end, 10);
  if (end == text || *end != 0 || threads < 1 || threads > 1024) {
    std::fprintf(stderr, "THREADS is '%s'; expected a whole number from 1 to 1024\n", text);
    std::exit(2);
  }
  return int(threads);
}

// Null, and a line on stderr, when the machine lacks the instruction set.
std::unique_ptr<Backend> open_backend(const std::string& isa) {
  Status status;
  std::unique_ptr<Backend> backend = open_cpu_backend(isa, threads_from_environment(), &status);
  if (backend == nullptr) {
    std::fprintf(stderr, "%s: %s\n", status.code(), status.message().c_str());
  }
  return backend;
}

int print_tables(std::vector<std::string> isas) {
  if (isas.empty()) isas = cpu::available_isas();
  for (const std::string& isa : isas) {
    const std::unique_ptr<Backend> backend = open_backend(isa);
    if (backend == nullptr) return 1;
    const BackendInfo info = backend->info();
    std::printf("%s, %d threads, %s\n", info.isa.c_str(), info.threads, info.name.c_str());
    const Ceilings ceilings = measure_ceilings(isa, info.threads);
    bench_matmul(*backend, ceilings);
    bench_attention(*backend, ceilings);
  }
  return 0;
}

int print_json(const std::string& what, const std::vector<std::string>& arguments) {
  const std::string isa = arguments.empty() ? "auto" : arguments[0];
  const std::unique_ptr<Backend> backend = open_backend(isa);
  if (backend == nullptr) return 1;
  const BackendInfo info = backend->info();
  if (what == "attention") {
    const int num_rounds = arguments.size() > 1 ? std::atoi(arguments[1].c_str()) : 5;
    bench_paging(*backend, num_rounds, arguments.size() > 2 && arguments[2] == "quick");
    return 0;
  }
  const char* seconds = std::getenv("SECONDS_EACH");
  const double budget = seconds != nullptr ? std::atof(seconds) : 0.4;
  const Ceilings ceilings = measure_ceilings(info.isa, info.threads, budget);
  std::printf(
      "{\"isa\": \"%s\", \"threads\": %d, \"gigabytesPerSecond\": %.3f, \"f32Gflops\": %.2f, "
      "\"bf16Gflops\": %.2f, \"int8Gops\": %.2f}\n",
      info.isa.c_str(), info.threads, ceilings.gigabytes_per_second, ceilings.f32_gflops,
      ceilings.bf16_gflops, ceilings.int8_gops);
  return 0;
}

}  // namespace

double clock_seconds() {
  static const clockid_t clock =
      std::getenv("BENCH_CPU_TIME") != nullptr ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
  timespec now = {};
  clock_gettime(clock, &now);
  return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() >= 2 && arguments[0] == "--json") {
    return print_json(arguments[1], {arguments.begin() + 2, arguments.end()});
  }
  return print_tables(arguments);
}
