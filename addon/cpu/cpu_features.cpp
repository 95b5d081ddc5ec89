#include "cpu_features.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#ifdef PA_X86
#include <cpuid.h>
#endif

namespace cpu {
namespace {

#ifdef PA_X86
struct CpuidRegisters {
  u32 eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuidRegisters cpuid(u32 leaf, u32 subleaf) {
  CpuidRegisters r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

// Register state that the operating system saves at a context switch.
u64 enabled_state() {
  u32 low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (u64(high) << 32) | low;
}

bool has_bit(u32 value, int bit) { return ((value >> bit) & 1) != 0; }

// 0 portable, 1 avx2, 2 avx512, 3 avx512bf16.
int isa_level() {
  constexpr u64 kYmmState = 0x6;
  constexpr u64 kZmmState = 0xe6;
  const CpuidRegisters base = cpuid(1, 0);
  if (!has_bit(base.ecx, 27)) return 0;  // OSXSAVE
  const u64 state = enabled_state();
  const CpuidRegisters extended = cpuid(7, 0);
  const bool has_fma_f16c = has_bit(base.ecx, 12) && has_bit(base.ecx, 29);
  const bool has_avx2 = has_bit(base.ecx, 28) && has_bit(extended.ebx, 5);
  if ((state & kYmmState) != kYmmState || !has_fma_f16c || !has_avx2) return 0;
  const bool has_avx512 = has_bit(extended.ebx, 16) && has_bit(extended.ebx, 17) &&  // F, DQ
                          has_bit(extended.ebx, 30) && has_bit(extended.ebx, 31);    // BW, VL
  if ((state & kZmmState) != kZmmState || !has_avx512) return 1;
  const bool has_vnni = has_bit(extended.ecx, 11);
  return has_vnni && has_bit(cpuid(7, 1).eax, 5) ? 3 : 2;  // BF16
}
#endif

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> tables = {&portable::kKernels};
#ifdef PA_X86
  const int level = isa_level();
  if (level >= 1) tables.push_back(&avx2::kKernels);
  if (level >= 2) tables.push_back(&avx512::kKernels);
  if (level >= 3) tables.push_back(&avx512bf16::kKernels);
#endif
  return tables;
}

// Processors of a quota of `quota` microseconds per `period`, or 0 when there is no limit.
double quota_processors(double quota, double period) {
  return quota > 0 && period > 0 ? quota / period : 0;
}

// The path of this process's cgroup for a controller; "" names version 2. Empty when there is none.
std::string cgroup_path(const std::string& controller) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::stringstream names(line.substr(first + 1, second - first - 1));
    if (controller.empty() && second == first + 1) return line.substr(second + 1);
    for (std::string name; std::getline(names, name, ',');) {
      if (!controller.empty() && name == controller) return line.substr(second + 1);
    }
  }
  return "";
}

// The smallest quota on the way from `folder` up to `root`, in processors; 0 when there is none.
template <class Read>
double smallest_quota(const std::string& root, std::string folder, Read read) {
  double smallest = 0;
  for (;;) {
    const double processors = read(root + folder);
    if (processors > 0 && (smallest == 0 || processors < smallest)) smallest = processors;
    if (folder.empty()) return smallest;
    folder.resize(folder.find_last_of('/') == std::string::npos ? 0 : folder.find_last_of('/'));
  }
}

double read_quota_v2(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max") return 0;
  return quota_processors(std::strtod(quota.c_str(), nullptr), period);
}

double read_quota_v1(const std::string& folder) {
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us");
  std::ifstream period_file(folder + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !(period_file >> period)) return 0;
  return quota_processors(quota, period);
}

int affinity_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? int(online) : 1;
}

}  // namespace

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Kernels* kernels : available_kernels()) names.push_back(kernels->isa);
  return names;
}

const Kernels* find_kernels(const std::string& isa) {
  const std::vector<const Kernels*> tables = available_kernels();
  if (isa == "auto") return tables.back();
  for (const Kernels* kernels : tables) {
    if (isa == kernels->isa) return kernels;
  }
  return nullptr;
}

int default_num_threads() {
  const double v2 = smallest_quota("/sys/fs/cgroup", cgroup_path(""), read_quota_v2);
  const double v1 = smallest_quota("/sys/fs/cgroup/cpu", cgroup_path("cpu"), read_quota_v1);
  int threads = affinity_processors();
  for (const double quota : {v2, v1}) {
    if (quota > 0) threads = std::min(threads, int(std::ceil(quota)));
  }
  return std::max(threads, 1);
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return "unknown processor";
}

}  // namespace cpu
