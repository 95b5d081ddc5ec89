#include "transfers.h"

#include <algorithm>

namespace cuda {
namespace {

// Between two looks at `cancelled`: a few milliseconds of a PCIe link.
constexpr i64 kBytesAtOnce = i64{64} << 20;

}  // namespace

Transfers::Transfers(Context& context, const KernelImage& image, Stream& compute, std::mutex& gate)
    : context_(context),
      compute_(compute),
      gate_(gate),
      stream_(context),
      ready_(context),
      launcher_(context, image, stream_, nullptr, false) {}

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

Status Transfers::copy(const TransferSides& sides, const TransferRun& run) {
  u8* const block = static_cast<u8*>(sides.blocks) + run.block * sides.block_bytes;
  u8* const host = static_cast<u8*>(sides.host_blocks) + run.host_block * sides.block_bytes;
  const size_t bytes = size_t(run.num_blocks) * size_t(sides.block_bytes);
  const auto device = reinterpret_cast<CuDevicePointer>(block);
  const Driver& driver = context_.driver();
  if (sides.is_to_host) {
    return context_.check(driver.memcpy_dtoh_async(host, device, bytes, stream_.handle()),
                          "cuMemcpyDtoHAsync");
  }
  return context_.check(driver.memcpy_htod_async(device, host, bytes, stream_.handle()),
                        "cuMemcpyHtoDAsync");
}

// Long runs in pieces, with a look at `cancelled` before each.
Status Transfers::copy_runs(const TransferSides& sides, const std::vector<TransferRun>& runs,
                            const std::atomic<bool>& cancelled) {
  const i32 max_blocks = i32(std::max<i64>(1, kBytesAtOnce / sides.block_bytes));
  i64 queued_bytes = 0;
  for (const TransferRun& run : runs) {
    for (i32 done = 0; done < run.num_blocks; done += max_blocks) {
      if (cancelled.load(std::memory_order_relaxed)) {
        return Status::error("ERR_CLOSED", "the device was closed");
      }
      const i32 num_blocks = std::min(run.num_blocks - done, max_blocks);
      Status status = copy(sides, {run.block + done, run.host_block + done, num_blocks});
      queued_bytes += num_blocks * sides.block_bytes;
      if (status.is_ok() && queued_bytes >= kBytesAtOnce) {
        status = stream_.synchronize();
        queued_bytes = 0;
      }
      if (!status.is_ok()) return status;
    }
  }
  return Status::ok();
}

Status Transfers::run(const TransferParams& params) {
  const TransferSides sides = {params.blocks, params.host, params.block_bytes, params.to_host};
  const i64 crossover = can_move_by_kernel(sides) ? kTransferCrossoverBytes : 0;
  const TransferPlan plan =
      plan_transfer(params.pairs, params.num_pairs, params.block_bytes, crossover);
  Status status = wait_for_compute();
  if (status.is_ok()) status = transfer_small_runs(launcher_, sides, plan.small);
  if (status.is_ok()) status = copy_runs(sides, plan.copies, *params.cancelled);
  // Whatever came of it: what was queued uses the caller's memory.
  const Status moved = stream_.synchronize();
  return status.is_ok() ? moved : status;
}

}  // namespace cuda
