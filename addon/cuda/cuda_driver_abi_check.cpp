// Compiles where driver.h says the same as the toolkit's cuda.h; made and run by nobody else:
//
//   g++ -std=c++20 -fsyntax-only -I <toolkit>/include addon/cuda/cuda_driver_abi_check.cpp

#include <cuda.h>

#include <type_traits>

#include "driver.h"

namespace {

// Same size, and passed in the same kind of register: pointers are alike, and so are whole numbers
// of one size, enumerations among them.
template <class A, class B>
constexpr bool is_same_kind =
    sizeof(A) == sizeof(B) && ((std::is_pointer_v<A> && std::is_pointer_v<B>) ||
                               ((std::is_integral_v<A> || std::is_enum_v<A>) &&
                                (std::is_integral_v<B> || std::is_enum_v<B>)));

template <class Ours, class Theirs>
struct SameSignature : std::false_type {};
template <class R, class S, class... As, class... Bs>
  requires(sizeof...(As) == sizeof...(Bs))
struct SameSignature<R (*)(As...), S (*)(Bs...)>
    : std::bool_constant<is_same_kind<R, S> && (is_same_kind<As, Bs> && ...)> {};

#define PA_CHECK_FUNCTION(member, base, exported, params)                                    \
  static_assert(SameSignature<decltype(cuda::Driver::member), decltype(&::exported)>::value, \
                #exported " is declared otherwise in driver_functions.h");
PA_DRIVER_FUNCTIONS(PA_CHECK_FUNCTION)

#define PA_CHECK_VALUE(ours, theirs) \
  static_assert(i64(cuda::ours) == i64(theirs), #theirs " has another value in driver.h")
PA_CHECK_VALUE(kCuSuccess, CUDA_SUCCESS);
PA_CHECK_VALUE(kCuInvalidValue, CUDA_ERROR_INVALID_VALUE);
PA_CHECK_VALUE(kCuOutOfMemory, CUDA_ERROR_OUT_OF_MEMORY);
PA_CHECK_VALUE(kCuNotInitialized, CUDA_ERROR_NOT_INITIALIZED);
PA_CHECK_VALUE(kCuDeinitialized, CUDA_ERROR_DEINITIALIZED);
PA_CHECK_VALUE(kCuNoDevice, CUDA_ERROR_NO_DEVICE);
PA_CHECK_VALUE(kCuInvalidDevice, CUDA_ERROR_INVALID_DEVICE);
PA_CHECK_VALUE(kCuInvalidImage, CUDA_ERROR_INVALID_IMAGE);
PA_CHECK_VALUE(kCuInvalidContext, CUDA_ERROR_INVALID_CONTEXT);
PA_CHECK_VALUE(kCuNoBinaryForGpu, CUDA_ERROR_NO_BINARY_FOR_GPU);
PA_CHECK_VALUE(kCuEccUncorrectable, CUDA_ERROR_ECC_UNCORRECTABLE);
PA_CHECK_VALUE(kCuNvlinkUncorrectable, CUDA_ERROR_NVLINK_UNCORRECTABLE);
PA_CHECK_VALUE(kCuContained, 226);  // CUDA_ERROR_CONTAINED, which CUDA 12.0 has not
PA_CHECK_VALUE(kCuInvalidHandle, CUDA_ERROR_INVALID_HANDLE);
PA_CHECK_VALUE(kCuIllegalState, CUDA_ERROR_ILLEGAL_STATE);
PA_CHECK_VALUE(kCuNotFound, CUDA_ERROR_NOT_FOUND);
PA_CHECK_VALUE(kCuIllegalAddress, CUDA_ERROR_ILLEGAL_ADDRESS);
PA_CHECK_VALUE(kCuLaunchOutOfResources, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
PA_CHECK_VALUE(kCuLaunchTimeout, CUDA_ERROR_LAUNCH_TIMEOUT);
PA_CHECK_VALUE(kCuContextIsDestroyed, CUDA_ERROR_CONTEXT_IS_DESTROYED);
PA_CHECK_VALUE(kCuAssert, CUDA_ERROR_ASSERT);
PA_CHECK_VALUE(kCuHardwareStackError, CUDA_ERROR_HARDWARE_STACK_ERROR);
PA_CHECK_VALUE(kCuIllegalInstruction, CUDA_ERROR_ILLEGAL_INSTRUCTION);
PA_CHECK_VALUE(kCuMisalignedAddress, CUDA_ERROR_MISALIGNED_ADDRESS);
PA_CHECK_VALUE(kCuInvalidAddressSpace, CUDA_ERROR_INVALID_ADDRESS_SPACE);
PA_CHECK_VALUE(kCuInvalidPc, CUDA_ERROR_INVALID_PC);
PA_CHECK_VALUE(kCuLaunchFailed, CUDA_ERROR_LAUNCH_FAILED);
PA_CHECK_VALUE(kCuTensorMemoryLeak, 721);  // CUDA_ERROR_TENSOR_MEMORY_LEAK, of CUDA 12.8
PA_CHECK_VALUE(kCuCaptureUnsupported, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
PA_CHECK_VALUE(kCuCaptureInvalidated, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
PA_CHECK_VALUE(kCuCaptureIsolation, CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
PA_CHECK_VALUE(kCuCaptureWrongThread, CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
PA_CHECK_VALUE(kCuExternalDevice, CUDA_ERROR_EXTERNAL_DEVICE);
PA_CHECK_VALUE(kCuUnknown, CUDA_ERROR_UNKNOWN);
PA_CHECK_VALUE(kCuMultiprocessorCount, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
PA_CHECK_VALUE(kCuL2CacheSize, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
PA_CHECK_VALUE(kCuUnifiedAddressing, CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING);
PA_CHECK_VALUE(kCuCapabilityMajor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
PA_CHECK_VALUE(kCuCapabilityMinor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
PA_CHECK_VALUE(kCuMaxSharedPerMultiprocessor,
               CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR);
PA_CHECK_VALUE(kCuMaxSharedPerBlockOptin, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
PA_CHECK_VALUE(kCuMaxDynamicSharedBytes, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
PA_CHECK_VALUE(kCuCaptureThreadLocal, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
PA_CHECK_VALUE(kCuJitErrorLogBuffer, CU_JIT_ERROR_LOG_BUFFER);
PA_CHECK_VALUE(kCuJitErrorLogBufferBytes, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
PA_CHECK_VALUE(kCuStreamNonBlocking, CU_STREAM_NON_BLOCKING);
PA_CHECK_VALUE(kCuEventDisableTiming, CU_EVENT_DISABLE_TIMING);
PA_CHECK_VALUE(kCuHostAllocPortable, CU_MEMHOSTALLOC_PORTABLE);

}  // namespace
