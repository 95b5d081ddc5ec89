#pragma once
#include "../../../cuda/params.h"

// One warp of 32 lanes, or one CTA; each kernel says what it reads and writes.
struct WrappersParams {
  void* out;
  const void* a;
  const void* b;
  i32 count;
};
