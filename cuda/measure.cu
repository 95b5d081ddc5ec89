// Kernels that benchmarks need: the memory ceilings of a GPU, and random contents made on it.

#include <device.cuh>

#include "measure_params.h"

namespace measure {

constexpr int kThreads = 256;
constexpr int kVecsInFlight = 8;  // 128 bytes per thread and trip: enough to fill the memory system

// The 16-byte pieces that one trip of the whole grid covers.
DEVICE i64 trip_vecs() { return i64(gridDim.x) * kThreads * kVecsInFlight; }
DEVICE i64 first_vec() { return i64(blockIdx.x) * kThreads * kVecsInFlight + threadIdx.x; }

// Reads memory once and keeps nothing but a checksum: the read ceiling.
//
// Shapes   as in ReadBytesParams
// Grid     any; CTAs stride over pieces of kThreads * kVecsInFlight vectors
// Needs    16-byte aligned data
// Moves    16 * num_vecs bytes read: bandwidth is the ceiling, and this measures it
// Order    xor: none
DEVICE void read_bytes(const ReadBytesParams& params) {
  CU_SHARED(u32, sum, 1);
  if (threadIdx.x == 0) sum[0] = 0;  // this thread is also the first to add
  const char* const data = static_cast<const char*>(params.data);
  u32 mine = 0;
  for (i64 base = first_vec(); base < params.num_vecs; base += trip_vecs()) {
    Vec16 vecs[kVecsInFlight];
#pragma unroll
    for (int i = 0; i < kVecsInFlight; i++) {
      const i64 vec = base + i64(i) * kThreads;
      vecs[i] = vec < params.num_vecs ? ld16_stream(data + vec * 16) : Vec16{};
    }
#pragma unroll
    for (int i = 0; i < kVecsInFlight; i++) {
      mine ^= vecs[i].words[0] ^ vecs[i].words[1] ^ vecs[i].words[2] ^ vecs[i].words[3];
    }
  }
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) mine ^= shuffle_xor(~0u, mine, distance);
  for (u32 warp = 0; warp < kThreads / 32; warp++) {
    if (threadIdx.x == warp * 32) sum[0] ^= mine;
    sync_cta();
  }
  if (threadIdx.x == 0) params.sums[blockIdx.x] = sum[0];
}

// Copies memory once: the copy ceiling.
//
// Shapes   as in CopyBytesParams
// Grid     as read_bytes
// Needs    16-byte aligned memory; source and destination are disjoint
// Moves    32 * num_vecs bytes, half read and half written: bandwidth is the ceiling
// Order    none
DEVICE void copy_bytes(const CopyBytesParams& params) {
  const char* const source = static_cast<const char*>(params.source);
  char* const destination = static_cast<char*>(params.destination);
  for (i64 base = first_vec(); base < params.num_vecs; base += trip_vecs()) {
    Vec16 vecs[kVecsInFlight];
#pragma unroll
    for (int i = 0; i < kVecsInFlight; i++) {
      const i64 vec = base + i64(i) * kThreads;
      if (vec < params.num_vecs) vecs[i] = ld16_stream(source + vec * 16);
    }
#pragma unroll
    for (int i = 0; i < kVecsInFlight; i++) {
      const i64 vec = base + i64(i) * kThreads;
      if (vec < params.num_vecs) st16_stream(destination + vec * 16, vecs[i]);
    }
  }
}

// A well-mixed 32-bit word of a 64-bit counter (the finaliser of MurmurHash3, by its constants).
DEVICE u32 mixed(u64 x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdull;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ull;
  x ^= x >> 33;
  return u32(x);
}

// Fills memory with uniform values, so that weights need not cross the bus.
//
// Shapes   as in FillRandomParams
// Grid     any; threads stride over elements
// Needs    data aligned to an element
// Moves    sizeof(T) * count bytes written
// Order    none: element i depends on (seed, i) only
template <class T>
DEVICE void fill_random(const FillRandomParams& params) {
  T* const data = static_cast<T*>(params.data);
  const i64 stride = i64(gridDim.x) * kThreads;
  for (i64 i = i64(blockIdx.x) * kThreads + threadIdx.x; i < params.count; i += stride) {
    const i32 drawn = i32(mixed(params.seed * 0x9e3779b97f4a7c15ull + u64(i)));
    data[i] = from_f32<T>(f32(drawn) * (params.scale / 2147483648.0f));
  }
}

}  // namespace measure

CU_KERNEL(measure_read_bytes, measure::read_bytes, ReadBytesParams, measure::kThreads, 4)
CU_KERNEL(measure_copy_bytes, measure::copy_bytes, CopyBytesParams, measure::kThreads, 4)
CU_KERNEL(fill_random_f32, measure::fill_random<f32>, FillRandomParams, measure::kThreads, 4)
CU_KERNEL(fill_random_f16, measure::fill_random<f16>, FillRandomParams, measure::kThreads, 4)
CU_KERNEL(fill_random_bf16, measure::fill_random<bf16>, FillRandomParams, measure::kThreads, 4)
