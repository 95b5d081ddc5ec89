#pragma once
// Matrix products by NVIDIA's cuBLASLt, where the machine has it: opened at run time, nothing
// linked, and whatever it cannot do is left to our own kernels.

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "cublaslt_functions.h"

namespace cuda {

// One handle and what it chose for the shapes seen so far. Engine thread, with the context current.
// Its sums have the library's order: never used in deterministic mode.
class Cublaslt {
 public:
  // Opens $PAGED_ATTENTION_CUBLASLT where it is set, and libcublasLt.so.13 or .12 otherwise.
  //
  // @param tries  gets one line for each thing tried and what came of it
  // @returns      null where none can be opened or used; then `tries` says why
  static std::unique_ptr<Cublaslt> open(std::vector<std::string>* tries);
  ~Cublaslt();
  Cublaslt(const Cublaslt&) = delete;
  Cublaslt& operator=(const Cublaslt&) = delete;

  // "libcublasLt.so.13 13.1.0"
  const std::string& name() const { return name_; }

  // What NVIDIA recommends for Hopper; algorithms that need more are not considered.
  static constexpr size_t kWorkspaceBytes = 32 << 20;

  // Queues the product on a CUstream; it may be part of a recording once the same shape has run
  // before. False where the library does not take it: then nothing is queued.
  //
  // @param workspace  kWorkspaceBytes of device memory that nothing else in flight uses
  bool matmul(const MatmulParams& params, void* workspace, void* stream);

 private:
  // num_rows, out_dim, in_dim, weight dtype, out dtype, bias
  using Shape = std::tuple<i32, i32, i32, i32, i32, bool>;
  class Product;

  Cublaslt(const LtFunctions& functions, LtHandle handle, std::string name);
  Product& product_for(const MatmulParams& params);

  const LtFunctions functions_;
  const LtHandle handle_;
  const std::string name_;
  std::map<Shape, std::unique_ptr<Product>> products_;
};

}  // namespace cuda
