#pragma once
// The one interface that both backends implement, op for op. All functions but the constructor run
// on the device's engine thread (the CPU backend fans out to its pool from there). Ops do not
// throw, print, or allocate per call once warm; they return a Status. Pointers in the structs are
// the backend's own memory; shapes were checked when the op was recorded.

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../cuda/params.h"
#include "status.h"

// How the rows of a weight are found at load: `data` is row-major [out_dim, in_dim] of
// source_dtype.
struct WeightPart {
  const void* data;
  i32 out_dim;
  DType source_dtype;            // kInt8 and kInt4: blocks, see cpu/stored_rows.h
  i32 interleaved_head_dim = 0;  // rows of each head have its halves as neighbours; 0: in order
};

struct BackendInfo {
  std::string backend;  // "cpu" | "cuda"
  std::string isa;      // CPU: "portable" | "avx2" | "avx512" | "avx512bf16"
  std::string name;     // processor or GPU name
  int threads;
  bool is_deterministic = true;         // the same bits whatever the batch (docs/architecture.md)
  std::string compute_capability = {};  // "9.0"; empty on the CPU
  i64 memory_bytes = 0;                 // of the GPU, at most CudaOptions.max_bytes; 0 on the CPU
  i64 free_bytes = 0;                   // of these when the device was opened; 0 on the CPU
};

// Whole blocks between a KV cache and host memory that allocate_host() gave.
struct TransferParams {
  void* blocks;  // block 0 of the cache
  i64 block_bytes;
  void* host;        // host block 0
  const i32* pairs;  // [num_pairs, 2] block, host block
  i32 num_pairs;
  bool to_host;
  const std::atomic<bool>* cancelled;  // once true, the blocks not yet moved stay
};

// Which recording of a program's ops a step can use again.
struct RecordKey {
  u64 program;  // identity of the program, never used twice
  i32 rows;     // of the step, padded to recorded_rows()
  bool want_digests;
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
  // Waits until everything queued so far was executed; gives the first error of it. The engine
  // calls it where a step or op ends without a download.
  virtual Status finish() { return Status::ok(); }

  // Host memory that transfers reach fastest (pinned on CUDA); zeroed. Null when out of memory.
  virtual void* allocate_host(size_t bytes) { return allocate(bytes, false); }
  virtual void free_host(void* data, size_t bytes) { free(data, bytes); }
  // Transfer thread, one call at a time, beside the engine thread. Returns when the blocks moved.
  virtual Status transfer_blocks(const TransferParams& params);

  virtual bool supports_weights(DType dtype) const { return dtype != kI32; }
  virtual bool supports_cache(DType dtype) const {
    return dtype == kF32 || dtype == kF16 || dtype == kBF16;
  }

  // Rows to which a pure-decode step of num_rows is padded so that its launches are recorded; 0: it
  // runs as it is.
  virtual i32 recorded_rows(i32 /*num_rows*/) const { return 0; }
  // Runs `ops`, which only call ops of this backend, or replays what they did under `key` before.
  // Whatever differs between two steps of one key is in device memory.
  virtual Status run_recorded(const RecordKey& /*key*/, const std::function<Status()>& ops) {
    return ops();
  }
  // Drops the recordings of a program whose memory goes.
  virtual void forget_recorded(u64 /*program*/) {}

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

inline Status Backend::transfer_blocks(const TransferParams& params) {
  for (i32 i = 0; i < params.num_pairs; i++) {
    if (params.cancelled->load(std::memory_order_relaxed)) {
      return Status::error("ERR_CLOSED", "the device was closed");
    }
    u8* const block = static_cast<u8*>(params.blocks) + params.pairs[2 * i] * params.block_bytes;
    u8* const host = static_cast<u8*>(params.host) + params.pairs[2 * i + 1] * params.block_bytes;
    const size_t bytes = static_cast<size_t>(params.block_bytes);
    const Status status =
        params.to_host ? download(host, block, bytes) : upload(block, host, bytes);
    if (!status.is_ok()) return status;
  }
  return Status::ok();
}

// addon/cpu/cpu_backend.cpp. `isa`: "auto" or a name from BackendInfo; threads 0 is what the cgroup
// grants. Gives null and sets status when the machine lacks the instruction set.
std::unique_ptr<Backend> open_cpu_backend(const std::string& isa, int threads, Status* status);

struct CudaOptions {
  int index = 0;  // of the GPU, in the driver's order
  bool is_deterministic = false;
  std::vector<std::string> payload_folders;  // searched in order
  size_t max_bytes = 0;                      // of device memory; 0: what the GPU has
};

// addon/cuda/open.cpp. Names of the GPUs that the driver lists, in its order; none without
// a driver. Loads no kernels.
std::vector<std::string> list_gpus();
// addon/cuda/open.cpp. Gives null and sets status when there is no driver, GPU or payload.
std::unique_ptr<Backend> open_cuda_backend(const CudaOptions& options, Status* status);
// addon/cuda/open.cpp. Opens a GPU and closes it again: a line for each thing tried on the way
// (driver, GPU, payload folders, images, cuBLASLt) and what came of it.
std::vector<std::string> probe_cuda(const CudaOptions& options);
