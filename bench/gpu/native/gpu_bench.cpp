// The GPU benchmark's native part: reads requests, one per line, from standard input; prints one
// line of JSON for the GPU and one per request. bench/gpu.mjs writes the requests and draws the
// tables.
//
//   gpu_bench PAYLOAD_FOLDER...

#include <cstdio>
#include <iostream>

#include "rows.h"

namespace {

void run(bench::Gpu& gpu, const bench::Request& request) {
  const std::string& kind = request.text("kind");
  if (kind == "ceiling") return bench::run_ceiling(gpu, request);
  if (kind == "decode" || kind == "prefill") return bench::run_attention(gpu, request);
  if (kind == "matmul") return bench::run_matmul(gpu, request);
  if (kind == "copyBlocks") return bench::run_copy_blocks(gpu, request);
  if (kind == "ropeAndWriteKv") return bench::run_rope(gpu, request);
  if (kind == "transfer") return bench::run_transfer(gpu, request);
  if (kind == "step") return bench::run_step(gpu, request);
  bench::stop("there is no benchmark of kind " + kind);
}

}  // namespace

int main(int argc, char** argv) {
  bench::Gpu gpu({argv + 1, argv + argc});
  const cuda::GpuInfo& info = gpu.context().gpu();
  std::printf(
      "{\"kind\":\"gpu\",\"name\":\"%s\",\"capability\":\"%d.%d\",\"kernels\":\"%s\",\"sms\":%d,"
      "\"l2Bytes\":%lld,\"driver\":%d}\n",
      gpu.context().name().c_str(), info.major, info.minor, gpu.arch().c_str(), info.num_sms,
      info.l2_bytes, gpu.context().driver().version);
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line)) {
    if (!line.empty()) run(gpu, bench::Request(line));
  }
  return 0;
}
