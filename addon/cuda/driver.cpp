#include "driver.h"

#include <dlfcn.h>

#include <cstdlib>

namespace cuda {
namespace {

// The interface that the names below are asked for: that of CUDA 12.0, which every driver from
// 525 on has.
constexpr i32 kInterfaceVersion = 12000;

using GetProcAddress = CuResult (*)(const char* name, void** function, i32 version, u64 flags,
                                    i32* found);

void* find_function(void* library, GetProcAddress get_address, const char* base,
                    const char* exported) {
  void* function = nullptr;
  if (get_address != nullptr &&
      get_address(base, &function, kInterfaceVersion, 0, nullptr) == kCuSuccess &&
      function != nullptr) {
    return function;
  }
  return dlsym(library, exported);
}

// Sets every function; gives the exported name of the first one that is missing, or null.
const char* resolve(Driver& driver) {
  const auto get_address =
      reinterpret_cast<GetProcAddress>(dlsym(driver.handle, "cuGetProcAddress_v2"));
  void* function = nullptr;
#define PA_RESOLVE(member, base, exported, params)                       \
  function = find_function(driver.handle, get_address, base, #exported); \
  if (function == nullptr) return #exported;                             \
  driver.member = reinterpret_cast<decltype(driver.member)>(function);
  PA_DRIVER_FUNCTIONS(PA_RESOLVE)
#undef PA_RESOLVE
  return nullptr;
}

// What keeps the library from being used; empty when nothing does.
std::string start(Driver& driver) {
  if (const char* missing = resolve(driver)) {
    return std::string("has no ") + missing + "; a driver for CUDA 12 or newer is needed";
  }
  CuResult result = driver.init(0);
  if (result != kCuSuccess) return "cuInit failed with " + describe(driver, result);
  result = driver.driver_get_version(&driver.version);
  if (result != kCuSuccess) return "cuDriverGetVersion failed with " + describe(driver, result);
  return "";
}

}  // namespace

std::shared_ptr<const Driver> open_driver(std::vector<std::string>* tries) {
  const char* path = std::getenv("PAGED_ATTENTION_LIBCUDA");
  const bool is_override = path != nullptr && path[0] != '\0';
  auto driver = std::make_shared<Driver>();
  driver->library = is_override ? path : "libcuda.so.1";
  const std::string name =
      is_override ? "PAGED_ATTENTION_LIBCUDA=" + driver->library : driver->library;

  driver->handle = dlopen(driver->library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (driver->handle == nullptr) {
    const char* error = dlerror();
    tries->push_back(name + ": " + (error != nullptr ? error : "cannot be opened"));
    return nullptr;
  }
  if (const std::string problem = start(*driver); !problem.empty()) {
    tries->push_back(name + ": " + problem);
    return nullptr;
  }
  tries->push_back(name + ": a driver for CUDA " + std::to_string(driver->version / 1000) + "." +
                   std::to_string(driver->version % 1000 / 10));
  return driver;
}

std::string error_name(const Driver& driver, CuResult result) {
  const char* name = nullptr;
  if (driver.get_error_name == nullptr || driver.get_error_name(result, &name) != kCuSuccess ||
      name == nullptr) {
    return "CUDA error " + std::to_string(result);
  }
  return name;
}

std::string describe(const Driver& driver, CuResult result) {
  const char* text = nullptr;
  std::string name = error_name(driver, result);
  if (driver.get_error_string == nullptr || driver.get_error_string(result, &text) != kCuSuccess ||
      text == nullptr) {
    return name;
  }
  return name + ": " + text;
}

}  // namespace cuda
