#pragma once
// What ops answer to a dtype that no kernel is compiled for.

#include <string>

#include "../../cuda/params.h"
#include "../status.h"

namespace cuda {

inline const char* dtype_name(DType dtype) {
  switch (dtype) {
    case kF32:
      return "f32";
    case kF16:
      return "f16";
    case kBF16:
      return "bf16";
    case kI32:
      return "i32";
    case kInt8:
      return "int8";
    case kInt4:
      return "int4";
  }
  return "an unknown dtype";
}

// "matmul's weight is f32; known are bf16, f16"
inline Status unsupported_dtype(const char* what, DType dtype, const char* known) {
  return Status::error("ERR_UNSUPPORTED_DTYPE",
                       std::string(what) + " is " + dtype_name(dtype) + "; known are " + known);
}

}  // namespace cuda
