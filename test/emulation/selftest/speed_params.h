#pragma once
#include "../../../cuda/params.h"

struct SpeedParams {
  f32* out;  // one per thread
  i32 count;
};
