// cuda/transfer_blocks.cu    transfer_blocks

#include "transfer_op.h"

#include <algorithm>
#include <numeric>

#include "../../cuda/kv_params.h"

namespace cuda {
namespace {

// Enough to fill a PCIe link, few enough to leave the SMs to the steps (kernels.md, section 4).
constexpr i64 kMaxCtas = 12;

bool is_aligned(const void* data) { return reinterpret_cast<size_t>(data) % 16 == 0; }

}  // namespace

TransferPlan plan_transfer(const i32* pairs, i32 num_pairs, i64 block_bytes, i64 crossover_bytes) {
  std::vector<i32> order(static_cast<size_t>(num_pairs));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [pairs](i32 a, i32 b) { return pairs[a * i64{2}] < pairs[b * i64{2}]; });
  std::vector<TransferRun> runs;
  for (const i32 index : order) {
    const i32 block = pairs[index * i64{2}];
    const i32 host_block = pairs[index * i64{2} + 1];
    const bool joins = !runs.empty() && block == runs.back().block + runs.back().num_blocks &&
                       host_block == runs.back().host_block + runs.back().num_blocks;
    if (joins) {
      runs.back().num_blocks++;
    } else {
      runs.push_back({block, host_block, 1});
    }
  }
  TransferPlan plan;
  for (const TransferRun& run : runs) {
    const bool is_small = run.num_blocks * block_bytes < crossover_bytes;
    (is_small ? plan.small : plan.copies).push_back(run);
  }
  return plan;
}

bool can_move_by_kernel(const TransferSides& sides) {
  return is_aligned(sides.blocks) && is_aligned(sides.host_blocks) && sides.block_bytes % 16 == 0;
}

Status transfer_small_runs(Launcher& launcher, const TransferSides& sides,
                           const std::vector<TransferRun>& runs) {
  if (!can_move_by_kernel(sides)) {
    return Status::error("ERR_NATIVE",
                         "transfer_blocks: memory is not 16-byte aligned; expected aligned blocks");
  }
  for (size_t first = 0; first < runs.size(); first += kMaxTransferRuns) {
    const size_t count = std::min<size_t>(kMaxTransferRuns, runs.size() - first);
    TransferBlocksParams params = {};
    params.blocks = static_cast<u8*>(sides.blocks);
    params.host_blocks = static_cast<u8*>(sides.host_blocks);
    params.block_bytes = sides.block_bytes;
    params.num_runs = static_cast<i32>(count);
    params.is_to_host = sides.is_to_host ? 1 : 0;
    for (size_t i = 0; i < count; i++) {
      params.runs[i] = runs[first + i];
      params.max_run_bytes =
          std::max(params.max_run_bytes, params.runs[i].num_blocks * params.block_bytes);
    }
    const i64 num_pieces =
        params.num_runs * ((params.max_run_bytes + kCopyPieceBytes - 1) / kCopyPieceBytes);
    Grid grid;
    grid.x = static_cast<u32>(std::min(num_pieces, kMaxCtas));
    grid.threads = kCopyThreads;
    const Status status = launcher.launch("transfer_blocks", grid, params);
    if (!status.is_ok()) return status;
  }
  return Status::ok();
}

}  // namespace cuda
