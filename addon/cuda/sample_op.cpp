// cuda/sample.cu      sample, sample_digest
//
// Draws one token per logit row. The scratch rows hold logits after mask, bias and penalties: one per row
// of the call, since which rows need one is known on the device only.

#include <string>

#include "../../cuda/sample_params.h"
#include "ops.h"

namespace cuda {

Status sample(Launcher& launcher, const SampleParams& params) {
  if (params.num_rows == 0) return Status::ok();
  if (params.vocab_size <= 0 || params.vocab_size > kMaxSampleVocab) {
    return Status::error("ERR_NATIVE",
                         "sample: vocab_size is " + std::to_string(params.vocab_size) +
                             "; expected one in [1, " + std::to_string(kMaxSampleVocab) + "]");
  }
  SampleKernelParams kernel_params = {params, nullptr, (i64{params.vocab_size} + 3) / 4 * 4};
  const size_t bytes = static_cast<size_t>(params.num_rows) *
                       static_cast<size_t>(kernel_params.adjusted_pitch) * sizeof(f32);
  void* scratch = nullptr;
  Status status = launcher.workspace(Workspace::kSample, bytes, &scratch);
  if (!status.is_ok()) return status;
  kernel_params.adjusted = static_cast<f32*>(scratch);

  Grid grid;
  grid.x = static_cast<u32>(params.num_rows);
  if (params.digests != nullptr) {
    grid.threads = kDigestThreads;
    status = launcher.launch("sample_digest", grid, kernel_params);
    if (!status.is_ok()) return status;
  }
  grid.threads = kSampleThreads;
  return launcher.launch("sample", grid, kernel_params);
}

}  // namespace cuda
