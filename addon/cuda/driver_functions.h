#pragma once
// The driver functions that this addon calls, each once: X(member of Driver, name for
// cuGetProcAddress, exported name, parameters).
//
// The exported names carry the version (`_v2`): plain `cuMemAlloc` is the 32-bit interface of 2008.
// Types are those of driver.h; cuda_driver_abi_check.cpp compares them with the toolkit's.

#define PA_DRIVER_FUNCTIONS(X)                                                                    \
  X(init, "cuInit", cuInit, (u32 flags))                                                          \
  X(driver_get_version, "cuDriverGetVersion", cuDriverGetVersion, (i32 * version))                \
  X(get_error_name, "cuGetErrorName", cuGetErrorName, (CuResult result, const char** name))       \
  X(get_error_string, "cuGetErrorString", cuGetErrorString, (CuResult result, const char** text)) \
  X(device_get_count, "cuDeviceGetCount", cuDeviceGetCount, (i32 * count))                        \
  X(device_get, "cuDeviceGet", cuDeviceGet, (CuDevice * device, i32 ordinal))                     \
  X(device_get_name, "cuDeviceGetName", cuDeviceGetName, (char* name, i32 size, CuDevice device)) \
  X(device_get_attribute, "cuDeviceGetAttribute", cuDeviceGetAttribute,                           \
    (i32 * value, CuDeviceAttribute attribute, CuDevice device))                                  \
  X(primary_ctx_retain, "cuDevicePrimaryCtxRetain", cuDevicePrimaryCtxRetain,                     \
    (CuContext * context, CuDevice device))                                                       \
  X(primary_ctx_release, "cuDevicePrimaryCtxRelease", cuDevicePrimaryCtxRelease_v2,               \
    (CuDevice device))                                                                            \
  X(ctx_set_current, "cuCtxSetCurrent", cuCtxSetCurrent, (CuContext context))                     \
  X(mem_get_info, "cuMemGetInfo", cuMemGetInfo_v2, (size_t* free_bytes, size_t* total_bytes))     \
  X(mem_alloc, "cuMemAlloc", cuMemAlloc_v2, (CuDevicePointer * data, size_t bytes))               \
  X(mem_free, "cuMemFree", cuMemFree_v2, (CuDevicePointer data))                                  \
  X(mem_host_alloc, "cuMemHostAlloc", cuMemHostAlloc, (void** data, size_t bytes, u32 flags))     \
  X(mem_free_host, "cuMemFreeHost", cuMemFreeHost, (void* data))                                  \
  X(memcpy_htod_async, "cuMemcpyHtoDAsync", cuMemcpyHtoDAsync_v2,                                 \
    (CuDevicePointer destination, const void* source, size_t bytes, CuStream stream))             \
  X(memcpy_dtoh_async, "cuMemcpyDtoHAsync", cuMemcpyDtoHAsync_v2,                                 \
    (void* destination, CuDevicePointer source, size_t bytes, CuStream stream))                   \
  X(memset_d8_async, "cuMemsetD8Async", cuMemsetD8Async,                                          \
    (CuDevicePointer destination, u8 byte, size_t bytes, CuStream stream))                        \
  X(stream_create, "cuStreamCreate", cuStreamCreate, (CuStream * stream, u32 flags))              \
  X(stream_destroy, "cuStreamDestroy", cuStreamDestroy_v2, (CuStream stream))                     \
  X(stream_synchronize, "cuStreamSynchronize", cuStreamSynchronize, (CuStream stream))            \
  X(stream_wait_event, "cuStreamWaitEvent", cuStreamWaitEvent,                                    \
    (CuStream stream, CuEvent event, u32 flags))                                                  \
  X(event_create, "cuEventCreate", cuEventCreate, (CuEvent * event, u32 flags))                   \
  X(event_destroy, "cuEventDestroy", cuEventDestroy_v2, (CuEvent event))                          \
  X(event_record, "cuEventRecord", cuEventRecord, (CuEvent event, CuStream stream))               \
  X(event_synchronize, "cuEventSynchronize", cuEventSynchronize, (CuEvent event))                 \
  X(module_load_data, "cuModuleLoadDataEx", cuModuleLoadDataEx,                                   \
    (CuModule * module, const void* image, u32 num_options, CuJitOption* options, void** values)) \
  X(module_unload, "cuModuleUnload", cuModuleUnload, (CuModule module))                           \
  X(module_get_function, "cuModuleGetFunction", cuModuleGetFunction,                              \
    (CuFunction * function, CuModule module, const char* name))                                   \
  X(func_set_attribute, "cuFuncSetAttribute", cuFuncSetAttribute,                                 \
    (CuFunction function, CuFunctionAttribute attribute, i32 value))                              \
  X(launch_kernel, "cuLaunchKernel", cuLaunchKernel,                                              \
    (CuFunction function, u32 grid_x, u32 grid_y, u32 grid_z, u32 block_x, u32 block_y,           \
     u32 block_z, u32 shared_bytes, CuStream stream, void** params, void** extra))                \
  X(stream_begin_capture, "cuStreamBeginCapture", cuStreamBeginCapture_v2,                        \
    (CuStream stream, CuCaptureMode mode))                                                        \
  X(stream_end_capture, "cuStreamEndCapture", cuStreamEndCapture,                                 \
    (CuStream stream, CuGraph * graph))                                                           \
  X(graph_instantiate, "cuGraphInstantiateWithFlags", cuGraphInstantiateWithFlags,                \
    (CuGraphExec * exec, CuGraph graph, u64 flags))                                               \
  X(graph_launch, "cuGraphLaunch", cuGraphLaunch, (CuGraphExec exec, CuStream stream))            \
  X(graph_exec_destroy, "cuGraphExecDestroy", cuGraphExecDestroy, (CuGraphExec exec))             \
  X(graph_destroy, "cuGraphDestroy", cuGraphDestroy, (CuGraph graph))
