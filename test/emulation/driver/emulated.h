#pragma once
// What tests may ask of the emulated driver beside CUDA's functions. Found by dlsym.

#include "../../../cuda/params.h"

extern "C" {
// The n-th call of `call` from now (1: the next) gives `result`; "kernel" stands for the execution
// of a kernel. One failure per call is armed at a time.
void emulated_fail(const char* call, i32 n, i32 result);
// Calls of a driver function so far.
i64 emulated_num_calls(const char* call);
// Kernels executed so far, replayed ones included.
i64 emulated_num_kernels();
// Queued work waits up to so long before it is done.
void emulated_set_delay_us(i32 max_us);
// Bytes of device memory held.
i64 emulated_bytes_held();
// Things of the last released context that were never given back: allocations, streams, events,
// modules, graphs.
i64 emulated_num_leaks();
}
