// Images, kernels and launches.

#include <cstring>

#include "exported.h"
#include "handles.h"

namespace {

// First line of an emulated image; the architecture follows on the second.
constexpr char kSignature[] = "PAGED-ATTENTION-EMULATED\n";

// Whether an image of `arch` (sm_90a, compute_80) runs on the emulated GPU.
bool fits(const std::string& arch, const Settings& settings) {
  const i32 gpu_number = settings.major * 10 + settings.minor;
  i32 number = 0;
  char suffix = '\0';
  if (std::sscanf(arch.c_str(), "compute_%d", &number) == 1) return number <= gpu_number;
  if (std::sscanf(arch.c_str(), "sm_%d%c", &number, &suffix) < 1) return false;
  if (suffix == 'a') return number == gpu_number;
  return number / 10 == settings.major && number <= gpu_number;
}

// Runs on the stream's thread: a kernel's params are those of the launch.
CuResult run_kernel(emulation::Launch launch, const std::vector<u8>& params) {
  const CuResult injected = gpu().begin_kernel();
  if (injected != kCuSuccess) return injected;
  launch.params = params.data();
  launch.params_bytes = params.size();
  return emulation::run(launch) == nullptr ? kCuSuccess : kCuLaunchFailed;
}

// What the driver says of a launch before anything runs.
CuResult check_launch(const CuFunctionHandle& function, const emulation::Launch& launch) {
  for (const u32 extent : {launch.grid[0], launch.grid[1], launch.grid[2], launch.block[0],
                           launch.block[1], launch.block[2]}) {
    if (extent == 0) return kCuInvalidValue;
  }
  if (launch.grid[0] > 0x7fffffffu || launch.grid[1] > 65535 || launch.grid[2] > 65535) {
    return kCuInvalidValue;
  }
  const u64 threads = u64(launch.block[0]) * launch.block[1] * launch.block[2];
  if (threads > 1024 || i64(launch.shared_bytes) > function.max_dynamic_bytes) {
    return kCuInvalidValue;
  }
  return threads > emulation::max_threads_of(function.kernel) ? kCuLaunchOutOfResources
                                                              : kCuSuccess;
}

}  // namespace

DRIVER_EXPORT CuResult cuModuleLoadDataEx(CuModule* module, const void* image, u32, CuJitOption*,
                                          void**) {
  BEGIN_CALL(cuModuleLoadDataEx, kNoCapture);
  const char* const text = static_cast<const char*>(image);
  if (std::strncmp(text, kSignature, sizeof kSignature - 1) != 0) return kCuInvalidImage;
  const char* const arch = text + sizeof kSignature - 1;
  if (!fits(std::string(arch, std::strcspn(arch, "\n")), gpu().settings())) {
    return kCuNoBinaryForGpu;
  }
  *module = new CuModuleHandle();
  gpu().add(*module);
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuModuleUnload(CuModule module) {
  BEGIN_CALL(cuModuleUnload, kNoCapture);
  return destroy(module);
}

DRIVER_EXPORT CuResult cuModuleGetFunction(CuFunction* function, CuModule module,
                                           const char* name) {
  BEGIN_CALL(cuModuleGetFunction, kContext);
  REQUIRE_ALIVE(module);
  const emulation::Kernel* const kernel = emulation::find_kernel(name);
  if (kernel == nullptr) return kCuNotFound;
  const std::lock_guard lock(module->mutex);
  std::unique_ptr<CuFunctionHandle>& known = module->functions[name];
  if (known == nullptr) {
    known = std::make_unique<CuFunctionHandle>();
    known->kernel = kernel;
  }
  *function = known.get();
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuFuncSetAttribute(CuFunction function, CuFunctionAttribute attribute,
                                          i32 value) {
  BEGIN_CALL(cuFuncSetAttribute, kContext);
  if (attribute != kCuMaxDynamicSharedBytes || value < 0) return kCuInvalidValue;
  if (value > max_shared_bytes(gpu().settings())) return kCuInvalidValue;
  function->max_dynamic_bytes = value;
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuLaunchKernel(CuFunction function, u32 grid_x, u32 grid_y, u32 grid_z,
                                      u32 block_x, u32 block_y, u32 block_z, u32 shared_bytes,
                                      CuStream stream, void** params, void**) {
  BEGIN_CALL(cuLaunchKernel, kContext);
  REQUIRE_ALIVE(stream);
  emulation::Launch launch{.kernel = function->kernel,
                           .grid = {grid_x, grid_y, grid_z},
                           .block = {block_x, block_y, block_z},
                           .shared_bytes = shared_bytes,
                           .params = nullptr,
                           .params_bytes = 0};
  launch.max_shared_bytes = u32(max_shared_bytes(gpu().settings()));
  const CuResult result = check_launch(*function, launch);
  if (result != kCuSuccess) return result;
  const u8* const bytes = static_cast<const u8*>(params[0]);
  const std::vector<u8> copied(bytes, bytes + emulation::params_bytes_of(launch.kernel));
  return stream->push([launch, copied] { return run_kernel(launch, copied); });
}
