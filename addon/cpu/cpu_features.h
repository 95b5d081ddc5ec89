#pragma once
// What this machine can run: instruction sets, threads, its name.

#include <string>
#include <vector>

#include "kernels.h"

namespace cpu {

// The instruction sets that the processor and the operating system support, the plainest first;
// "portable" is always one.
std::vector<std::string> available_isas();

// The kernels of an instruction set; "auto" is the best one. Null when this machine lacks it.
const Kernels* find_kernels(const std::string& isa);

// Threads that the affinity mask and the cgroup's processor quota grant, at least 1.
int default_num_threads();

// As the processor names itself.
std::string processor_name();

}  // namespace cpu
