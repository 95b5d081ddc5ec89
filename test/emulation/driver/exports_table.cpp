// The list of what is exported, against the addon's own declarations; and what tests may ask.

#include <cstring>
#include <type_traits>

#include "emulated.h"
#include "exported.h"

#define DECLARE(member, base, exported, params) extern "C" CuResult exported params;
PA_DRIVER_FUNCTIONS(DECLARE)
#undef DECLARE

namespace emulated {

void* find_exported(const char* base_name) {
#define FIND(member, base, exported, params)                                   \
  static_assert(std::is_same_v<decltype(&exported), decltype(Driver::member)>, \
                #exported " is declared otherwise in driver.h");               \
  if (std::strcmp(base_name, base) == 0) return reinterpret_cast<void*>(&exported);
  PA_DRIVER_FUNCTIONS(FIND)
#undef FIND
  return nullptr;
}

}  // namespace emulated

DRIVER_EXPORT void emulated_fail(const char* call, i32 n, i32 result) {
  gpu().arm(call, n, result);
}
DRIVER_EXPORT i64 emulated_num_calls(const char* call) { return gpu().num_calls(call); }
DRIVER_EXPORT i64 emulated_num_kernels() { return gpu().num_calls("kernel"); }
DRIVER_EXPORT void emulated_set_delay_us(i32 max_us) { set_max_delay_us(max_us, 1); }
DRIVER_EXPORT i64 emulated_bytes_held() { return gpu().bytes_held(); }
DRIVER_EXPORT i64 emulated_num_leaks() { return gpu().num_leaks(); }
