// cpu_bench [isa ...]: throughput of matmul and attention beside this machine's ceilings, for the
// instruction sets named, or all. THREADS (environment) sets the threads; default as the backend's.
// BENCH_CPU_TIME: see bench.h.

#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "../../addon/cpu/cpu_features.h"
#include "bench.h"

double clock_seconds() {
  static const clockid_t clock =
      std::getenv("BENCH_CPU_TIME") != nullptr ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
  timespec now = {};
  clock_gettime(clock, &now);
  return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

int main(int argc, char** argv) {
  const char* threads_text = std::getenv("THREADS");
  const int threads = threads_text != nullptr ? std::atoi(threads_text) : 0;
  std::vector<std::string> isas(argv + 1, argv + argc);
  if (isas.empty()) isas = cpu::available_isas();
  for (const std::string& isa : isas) {
    Status status;
    const std::unique_ptr<Backend> backend = open_cpu_backend(isa, threads, &status);
    if (backend == nullptr) {
      std::fprintf(stderr, "%s: %s\n", status.code(), status.message().c_str());
      return 1;
    }
    const BackendInfo info = backend->info();
    std::printf("%s, %d threads, %s\n", info.isa.c_str(), info.threads, info.name.c_str());
    const Ceilings ceilings = measure_ceilings(isa, info.threads);
    bench_matmul(*backend, ceilings);
    bench_attention(*backend, ceilings);
  }
  return 0;
}
