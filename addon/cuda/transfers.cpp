#include "transfers.h"

#include <algorithm>
#include <numeric>

namespace cuda {
namespace {

// Between two looks at `cancelled`: a few milliseconds of a PCIe link.
constexpr i64 kBytesAtOnce = i64{64} << 20;

}  // namespace

std::vector<BlockRun> join_runs(const i32* pairs, i32 num_pairs) {
  std::vector<i32> order(static_cast<size_t>(num_pairs));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [pairs](i32 a, i32 b) { return pairs[2 * a] < pairs[2 * b]; });
  std::vector<BlockRun> runs;
  for (const i32 pair : order) {
    const i32 block = pairs[2 * pair], host_block = pairs[2 * pair + 1];
    if (!runs.empty() && runs.back().block + runs.back().length == block &&
        runs.back().host_block + runs.back().length == host_block) {
      runs.back().length++;
    } else {
      runs.push_back({block, host_block, 1});
    }
  }
  return runs;
}

Status Transfers::open() {
  Status status = stream_.open();
  return status.is_ok() ? ready_.open() : status;
}

Status Transfers::wait_for_compute() {
  Status status;
  {
    const std::lock_guard lock(gate_);
    status = ready_.record(compute_);
  }
  return status.is_ok() ? ready_.hold_back(stream_) : status;
}

Status Transfers::queue(const TransferParams& params, const BlockRun& run) {
  const auto device =
      reinterpret_cast<CuDevicePointer>(params.blocks) + u64(run.block) * u64(params.block_bytes);
  u8* const host = static_cast<u8*>(params.host) + run.host_block * params.block_bytes;
  const size_t bytes = size_t(run.length) * size_t(params.block_bytes);
  const Driver& driver = context_.driver();
  if (params.to_host) {
    return context_.check(driver.memcpy_dtoh_async(host, device, bytes, stream_.handle()),
                          "cuMemcpyDtoHAsync");
  }
  return context_.check(driver.memcpy_htod_async(device, host, bytes, stream_.handle()),
                        "cuMemcpyHtoDAsync");
}

Status Transfers::run(const TransferParams& params) {
  Status status = wait_for_compute();
  if (!status.is_ok()) return status;
  const i32 max_length = i32(std::max<i64>(1, kBytesAtOnce / params.block_bytes));
  i64 queued_bytes = 0;
  for (BlockRun rest : join_runs(params.pairs, params.num_pairs)) {
    while (rest.length > 0) {
      if (params.cancelled->load(std::memory_order_relaxed)) {
        stream_.synchronize();
        return Status::error("ERR_CLOSED", "the device was closed");
      }
      const i32 length = std::min(rest.length, max_length);
      status = queue(params, {rest.block, rest.host_block, length});
      queued_bytes += length * params.block_bytes;
      if (status.is_ok() && queued_bytes >= kBytesAtOnce) {
        status = stream_.synchronize();
        queued_bytes = 0;
      }
      if (!status.is_ok()) return status;
      rest = {rest.block + length, rest.host_block + length, rest.length - length};
    }
  }
  return stream_.synchronize();
}

}  // namespace cuda
