// The driver, the GPU and its context.

#include <algorithm>
#include <cstring>

#include "exported.h"

DRIVER_EXPORT CuResult cuInit(u32) {
  gpu().init();
  BEGIN_CALL(cuInit, kNothing);
  return gpu().settings().num_gpus > 0 ? kCuSuccess : kCuNoDevice;
}

DRIVER_EXPORT CuResult cuDriverGetVersion(i32* version) {
  BEGIN_CALL(cuDriverGetVersion, kNothing);
  *version = gpu().settings().driver_version;
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuGetProcAddress_v2(const char* base, void** function, i32 version, u64,
                                           i32* found) {
  *function = version >= 12000 ? find_exported(base) : nullptr;
  if (found != nullptr) *found = *function != nullptr ? 0 : 1;
  return *function != nullptr ? kCuSuccess : kCuNotFound;
}

namespace {

struct ResultText {
  CuResult result;
  const char* name;
  const char* text;
};

constexpr ResultText kResults[] = {
    {kCuSuccess, "CUDA_SUCCESS", "no error"},
    {kCuInvalidValue, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {kCuOutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {kCuNotInitialized, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {kCuNoDevice, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {kCuInvalidDevice, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {kCuInvalidImage, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {kCuInvalidContext, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {kCuNoBinaryForGpu, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image for the device"},
    {kCuInvalidHandle, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {kCuIllegalState, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed now"},
    {kCuNotFound, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {kCuIllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access"},
    {kCuLaunchOutOfResources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested"},
    {kCuLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {kCuCaptureUnsupported, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "not while capturing"},
    {kCuCaptureInvalidated, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "the capture was ended"},
    {kCuCaptureIsolation, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "the stream is being captured"},
    {kCuCaptureWrongThread, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "another thread captures"},
};

const ResultText* find_result(CuResult result) {
  const auto* found =
      std::find_if(std::begin(kResults), std::end(kResults),
                   [result](const ResultText& entry) { return entry.result == result; });
  return found == std::end(kResults) ? nullptr : found;
}

}  // namespace

DRIVER_EXPORT CuResult cuGetErrorName(CuResult result, const char** name) {
  const ResultText* const found = find_result(result);
  *name = found != nullptr ? found->name : nullptr;
  return found != nullptr ? kCuSuccess : kCuInvalidValue;
}

DRIVER_EXPORT CuResult cuGetErrorString(CuResult result, const char** text) {
  const ResultText* const found = find_result(result);
  *text = found != nullptr ? found->text : nullptr;
  return found != nullptr ? kCuSuccess : kCuInvalidValue;
}

DRIVER_EXPORT CuResult cuDeviceGetCount(i32* count) {
  BEGIN_CALL(cuDeviceGetCount, kInit);
  *count = gpu().settings().num_gpus;
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuDeviceGet(CuDevice* device, i32 ordinal) {
  BEGIN_CALL(cuDeviceGet, kInit);
  if (ordinal < 0 || ordinal >= gpu().settings().num_gpus) return kCuInvalidDevice;
  *device = ordinal;
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuDeviceGetName(char* name, i32 size, CuDevice) {
  BEGIN_CALL(cuDeviceGetName, kInit);
  std::strncpy(name, "Emulated GPU", size_t(size));
  name[size - 1] = '\0';
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuDeviceGetAttribute(i32* value, CuDeviceAttribute attribute, CuDevice) {
  BEGIN_CALL(cuDeviceGetAttribute, kInit);
  const Settings settings = gpu().settings();
  switch (attribute) {
    case kCuMultiprocessorCount:
      *value = settings.num_sms;
      return kCuSuccess;
    case kCuL2CacheSize:
      *value = 4 << 20;
      return kCuSuccess;
    case kCuUnifiedAddressing:
      *value = 1;
      return kCuSuccess;
    case kCuCapabilityMajor:
      *value = settings.major;
      return kCuSuccess;
    case kCuCapabilityMinor:
      *value = settings.minor;
      return kCuSuccess;
    case kCuMaxSharedPerMultiprocessor:
      *value = shared_bytes_per_sm(settings);
      return kCuSuccess;
    case kCuMaxSharedPerBlockOptin:
      *value = max_shared_bytes(settings);
      return kCuSuccess;
  }
  return kCuInvalidValue;
}

DRIVER_EXPORT CuResult cuDevicePrimaryCtxRetain(CuContext* context, CuDevice) {
  BEGIN_CALL(cuDevicePrimaryCtxRetain, kInit);
  return gpu().retain(context);
}

DRIVER_EXPORT CuResult cuDevicePrimaryCtxRelease_v2(CuDevice) {
  BEGIN_CALL(cuDevicePrimaryCtxRelease_v2, kInit);
  return gpu().release();
}

DRIVER_EXPORT CuResult cuCtxSetCurrent(CuContext context) {
  BEGIN_CALL(cuCtxSetCurrent, kInit);
  gpu().set_current(context);
  return kCuSuccess;
}
