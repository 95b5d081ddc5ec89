#pragma once
// The one interface that both backends implement, op for op. All functions but the constructor run
// on the device's engine thread (the CPU backend fans out to its pool from there). Ops do not
// throw, print, or allocate per call once warm; they return a Status. Pointers in the structs are
// the backend's own memory; shapes were checked when the op was recorded.

#include <cstddef>
#include <memory>
#include <string>

#include "../cuda/params.h"
#include "status.h"

// How the rows of a weight are found at load: `data` is row-major [out_dim, in_dim] of
// source_dtype.
struct WeightPart {
  const void* data;
  i32 out_dim;
  DType source_dtype;
};

struct BackendInfo {
  std::string backend;  // "cpu" | "cuda"
  std::string isa;      // CPU: "portable" | "avx2" | "avx512" | "avx512bf16"
  std::string name;     // processor or GPU name
  int threads;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual BackendInfo info() const = 0;

  // 64-byte aligned memory; zeroed. `huge` asks for huge pages (the KV pool). Null when out of
  // memory.
  virtual void* allocate(size_t bytes, bool huge) = 0;
  virtual void free(void* data, size_t bytes) = 0;
  virtual Status upload(void* destination, const void* host, size_t bytes) = 0;
  virtual Status download(void* host, const void* source, size_t bytes) = 0;
  virtual Status fill(void* destination, u8 byte, size_t bytes) = 0;

  // Bytes of a packed [out_dim, in_dim] weight, padding included.
  virtual size_t packed_bytes(DType dtype, i32 out_dim, i32 in_dim) const = 0;
  // Packs parts, stacked along out_dim in order, into `destination`, converting to dtype.
  virtual Status pack_weight(void* destination, DType dtype, i32 in_dim, const WeightPart* parts,
                             int num_parts) = 0;

  virtual Status embed(const EmbedParams& params) = 0;
  virtual Status rms_norm(const RmsNormParams& params) = 0;
  virtual Status matmul(const MatmulParams& params) = 0;
  virtual Status write_kv(const WriteKvParams& params) = 0;
  virtual Status read_kv(const ReadKvParams& params) = 0;
  virtual Status rope_and_write_kv(const RopeAndWriteKvParams& params) = 0;
  virtual Status paged_attention(const PagedAttentionParams& params) = 0;
  virtual Status silu_mul(const GatedMulParams& params) = 0;
  virtual Status gelu_mul(const GatedMulParams& params) = 0;  // tanh approximation
  virtual Status gather_rows(const GatherRowsParams& params) = 0;
  virtual Status scale(const ElementwiseParams& params) = 0;
  virtual Status softcap(const ElementwiseParams& params) = 0;
  virtual Status copy_blocks(const CopyBlocksParams& params) = 0;
  virtual Status sample(const SampleParams& params) = 0;
};

// addon/cpu/cpu_backend.cpp. `isa`: "auto" or a name from BackendInfo; threads 0 is what the cgroup
// grants. Gives null and sets status when the machine lacks the instruction set.
std::unique_ptr<Backend> open_cpu_backend(const std::string& isa, int threads, Status* status);
