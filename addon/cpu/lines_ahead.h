#pragma once
// Memory to ask for while something else is worked on, a few lines at a time: asked for at once, a
// kilobyte fills the queue of misses and what is worked on waits behind it.

#include "simd.h"

namespace cpu::PA_ISA {

class LinesAhead {
 public:
  static constexpr i32 kLineBytes = 64;
  static constexpr i32 kChunkLines = 4;
  static constexpr i32 kChunkBytes = kChunkLines * kLineBytes;
  static constexpr i32 kMaxRuns = 16;

  PA_INLINE void clear() {
    num_runs_ = 0;
    next_run_ = 0;
    chunks_left_ = 0;
    lines_due_ = 0;
  }

  // Adds `num_chunks` > 0 chunks of kChunkBytes, `stride` bytes from one to the next.
  PA_INLINE void add(const u8* first, i32 num_chunks, i64 stride) {
    runs_[num_runs_++] = {first, stride, num_chunks};
  }

  // Asks for `kLines` lines more, if there are any. To L2, which takes more requests at a time
  // than L1.
  template <i32 kLines>
  PA_INLINE void ask() {
    static_assert(kChunkLines % kLines == 0, "whole chunks");
    if (chunks_left_ == 0 && next_run_ == num_runs_) return;
    if constexpr (kLines < kChunkLines) {
      lines_due_ += kLines;
      if (lines_due_ < kChunkLines) return;
      lines_due_ = 0;
    }
    if (chunks_left_ == 0) {
      const Run& run = runs_[next_run_++];
      at_ = run.first;
      stride_ = run.stride;
      chunks_left_ = run.num_chunks;
    }
    for (i32 line = 0; line < kChunkLines; ++line) {
      __builtin_prefetch(at_ + line * kLineBytes, 0, 2);
    }
    at_ += stride_;
    --chunks_left_;
  }

  // Asks for the lines of `count` chunks more.
  PA_INLINE void ask_chunks(i32 count) {
    if (chunks_left_ == 0 && next_run_ == num_runs_) return;
    for (i32 i = 0; i < count; ++i) ask<kChunkLines>();
  }

 private:
  struct Run {
    const u8* first;
    i64 stride;
    i32 num_chunks;
  };

  const u8* at_ = nullptr;
  i64 stride_ = 0;
  i32 chunks_left_ = 0;
  i32 lines_due_ = 0;
  i32 next_run_ = 0;
  i32 num_runs_ = 0;
  Run runs_[kMaxRuns];
};

}  // namespace cpu::PA_ISA
