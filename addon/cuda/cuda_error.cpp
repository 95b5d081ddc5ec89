#include "cuda_error.h"

namespace cuda {

bool is_sticky(CuResult result) {
  switch (result) {
    case kCuDeinitialized:
    case kCuEccUncorrectable:
    case kCuNvlinkUncorrectable:
    case kCuContained:
    case kCuIllegalAddress:
    case kCuLaunchTimeout:
    case kCuContextIsDestroyed:
    case kCuAssert:
    case kCuHardwareStackError:
    case kCuIllegalInstruction:
    case kCuMisalignedAddress:
    case kCuInvalidAddressSpace:
    case kCuInvalidPc:
    case kCuLaunchFailed:
    case kCuTensorMemoryLeak:
    case kCuExternalDevice:
    case kCuUnknown:
      return true;
    default:
      return false;
  }
}

Status Health::check(CuResult result, const char* call, const char* kernel) {
  if (result == kCuSuccess) return Status::ok();
  if (is_lost()) return status();
  std::string message = std::string(call) + (kernel != nullptr ? " of " : "") +
                        (kernel != nullptr ? kernel : "") + " failed with " +
                        describe(driver_, result) + " (" + std::to_string(result) + ")";
  if (is_sticky(result)) {
    const std::lock_guard lock(mutex_);
    if (first_failure_.empty()) first_failure_ = message;
    is_lost_.store(true, std::memory_order_release);
  }
  const char* code = result == kCuOutOfMemory ? "ERR_OUT_OF_MEMORY" : "ERR_CUDA";
  return Status::cuda_error(code, std::move(message),
                            {result, call, kernel != nullptr ? kernel : ""});
}

Status Health::status() const {
  if (!is_lost()) return Status::ok();
  const std::lock_guard lock(mutex_);
  return Status::error("ERR_DEVICE_LOST",
                       "the GPU can run nothing more until it is opened again: " + first_failure_);
}

}  // namespace cuda
