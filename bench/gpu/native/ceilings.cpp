// What this GPU's memory gives to a kernel that does nothing else, by reading and by copying.

#include <algorithm>

#include "../../../cuda/measure_params.h"
#include "rows.h"

namespace bench {
namespace {

// The best over several grids: a ceiling should not depend on one's choice.
template <class Params>
Times best_over_grids(Gpu& gpu, const char* kernel, const Params& params) {
  Times best{1e30, 1e30, 1e30};
  for (const u32 ctas_per_sm : {2u, 4u, 8u, 16u}) {
    cuda::Grid grid;
    grid.x = static_cast<u32>(gpu.context().gpu().num_sms) * ctas_per_sm;
    grid.threads = 256;
    const auto call = [&] { return gpu.launcher().launch(kernel, grid, params); };
    require(call());
    const Times times = time_calls(gpu, {call}, 5);
    if (times.median_us < best.median_us) best = times;
  }
  return best;
}

}  // namespace

void run_ceiling(Gpu& gpu, const Request& request) {
  const i64 bytes = request.bytes("bytes") / 16 * 16;
  const bool is_copy = request.text("name") == "copy";
  Scope scope(gpu);
  u32* const source = scope.array<u32>(bytes / 4);
  gpu.fill_random(source, kF32, bytes / 4, 1.0f, 1);
  if (!is_copy) {
    u32* const sums = scope.array<u32>(i64{gpu.context().gpu().num_sms} * 16);
    const Times times =
        best_over_grids(gpu, "measure_read_bytes", ReadBytesParams{source, sums, bytes / 16});
    print({request, times, double(bytes)});
    return;
  }
  u32* const destination = scope.array<u32>(bytes / 4);
  const Times times =
      best_over_grids(gpu, "measure_copy_bytes", CopyBytesParams{destination, source, bytes / 16});
  const i64 checked = std::min<i64>(bytes / 4, 1 << 16);
  const i64 last = bytes / 4 - checked;
  if (gpu.download_array(source + last, checked) !=
      gpu.download_array(destination + last, checked)) {
    stop("the copy ceiling copied nothing");
  }
  print({request, times, 2.0 * double(bytes)});
}

}  // namespace bench
