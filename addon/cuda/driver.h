#pragma once
// The CUDA driver as this addon uses it: own declarations, opened at run time, nothing linked.
// Checked against the toolkit's header by cuda_driver_abi_check.cpp.

#include <memory>
#include <string>
#include <vector>

#include "../../cuda/params.h"
#include "../status.h"

namespace cuda {

using CuDevice = i32;
using CuDevicePointer = u64;
using CuContext = struct CuContextHandle*;
using CuStream = struct CuStreamHandle*;
using CuEvent = struct CuEventHandle*;
using CuModule = struct CuModuleHandle*;
using CuFunction = struct CuFunctionHandle*;
using CuGraph = struct CuGraphHandle*;
using CuGraphExec = struct CuGraphExecHandle*;

// The results that the addon or the emulated driver names; others come through as numbers.
enum CuResult : i32 {
  kCuSuccess = 0,
  kCuInvalidValue = 1,
  kCuOutOfMemory = 2,
  kCuNotInitialized = 3,
  kCuDeinitialized = 4,
  kCuNoDevice = 100,
  kCuInvalidDevice = 101,
  kCuInvalidImage = 200,
  kCuInvalidContext = 201,
  kCuNoBinaryForGpu = 209,
  kCuEccUncorrectable = 214,
  kCuNvlinkUncorrectable = 220,
  kCuContained = 226,
  kCuInvalidHandle = 400,
  kCuIllegalState = 401,
  kCuNotFound = 500,
  kCuIllegalAddress = 700,
  kCuLaunchOutOfResources = 701,
  kCuLaunchTimeout = 702,
  kCuContextIsDestroyed = 709,
  kCuAssert = 710,
  kCuHardwareStackError = 714,
  kCuIllegalInstruction = 715,
  kCuMisalignedAddress = 716,
  kCuInvalidAddressSpace = 717,
  kCuInvalidPc = 718,
  kCuLaunchFailed = 719,
  kCuTensorMemoryLeak = 721,
  kCuCaptureUnsupported = 900,
  kCuCaptureInvalidated = 901,
  kCuCaptureIsolation = 905,
  kCuCaptureWrongThread = 908,
  kCuExternalDevice = 911,
  kCuUnknown = 999,
};

enum CuDeviceAttribute : i32 {
  kCuMultiprocessorCount = 16,
  kCuL2CacheSize = 38,
  kCuUnifiedAddressing = 41,
  kCuCapabilityMajor = 75,
  kCuCapabilityMinor = 76,
  kCuMaxSharedPerMultiprocessor = 81,
  kCuMaxSharedPerBlockOptin = 97,
};

enum CuFunctionAttribute : i32 { kCuMaxDynamicSharedBytes = 8 };
enum CuCaptureMode : i32 { kCuCaptureThreadLocal = 1 };
enum CuJitOption : i32 { kCuJitErrorLogBuffer = 5, kCuJitErrorLogBufferBytes = 6 };

constexpr u32 kCuStreamNonBlocking = 1;
constexpr u32 kCuEventDisableTiming = 2;
constexpr u32 kCuHostAllocPortable = 1;

}  // namespace cuda

#include "driver_functions.h"

namespace cuda {

// The driver library and its functions. Any thread. It stays loaded: its own threads may outlive
// whoever opened it.
struct Driver {
#define PA_MEMBER(member, base, exported, params) CuResult(*member) params = nullptr;
  PA_DRIVER_FUNCTIONS(PA_MEMBER)
#undef PA_MEMBER

  std::string library;  // what was opened: a path, or libcuda.so.1
  i32 version = 0;      // 12040 is CUDA 12.4: the newest that this driver knows
  void* handle = nullptr;
};

// Opens $PAGED_ATTENTION_LIBCUDA where it is set, and libcuda.so.1 otherwise; initialises it.
//
// @param tries  gets one line for each thing tried and what came of it
// @returns      null when there is no driver, or when it cannot run; then `tries` says why
std::shared_ptr<const Driver> open_driver(std::vector<std::string>* tries);

// "CUDA_ERROR_OUT_OF_MEMORY: out of memory", or the number when the driver does not know it.
std::string describe(const Driver& driver, CuResult result);
// "CUDA_ERROR_OUT_OF_MEMORY"
std::string error_name(const Driver& driver, CuResult result);

}  // namespace cuda
