#pragma once
#include "../../../cuda/params.h"

struct ExampleParams {
  f32* out;       // [num_rows]
  const void* x;  // [num_rows, dim] bf16 or f16
  i32 num_rows;
  i32 dim;
};
