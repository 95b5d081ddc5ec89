#pragma once
#include "../../../cuda/params.h"

// Every kernel gives 1 in all of `out` when nothing is wrong.
struct PlantedParams {
  f32* out;       // [2, 128]
  const f32* in;  // [128] ones
  f32* partial;   // [2] for what CTAs pass to each other
  u32* counter;   // one, zero
  i32 has_bug;    // else the correct twin runs
};
