// Compares the addon's declarations of cuBLASLt with NVIDIA's: compiled where cublasLt.h is there
// (tools/check-cuda-headers), never linked.

#include <cublasLt.h>

#include <type_traits>

#include "cublaslt_functions.h"

namespace cuda {
namespace {

// Enumerations and pointers to structures are declared under other names here: what a call passes
// is the same when each parameter has the same size and is a pointer on both sides or on neither.
template <class A, class B>
constexpr bool is_same_word =
    sizeof(A) == sizeof(B) && std::is_pointer_v<A> == std::is_pointer_v<B>;

template <class R, class... P, class R2, class... P2>
constexpr bool is_same_call(R (*)(P...), R2 (*)(P2...)) {
  if constexpr (sizeof...(P) == sizeof...(P2)) {
    return is_same_word<R, R2> && (is_same_word<P, P2> && ...);
  }
  return false;
}

#define PA_COMPARE(member, exported, Result, params)                       \
  static_assert(is_same_call(decltype(LtFunctions::member)(nullptr),       \
                             static_cast<decltype(&::exported)>(nullptr)), \
                #exported);
PA_CUBLASLT_FUNCTIONS(PA_COMPARE)
#undef PA_COMPARE

static_assert(kLtSuccess == CUBLAS_STATUS_SUCCESS);
static_assert(kLtComputeF32 == CUBLAS_COMPUTE_32F);
static_assert(kLtF32 == CUDA_R_32F && kLtF16 == CUDA_R_16F && kLtBF16 == CUDA_R_16BF);
static_assert(kLtTransposed == CUBLAS_OP_T && kLtAddBias == CUBLASLT_EPILOGUE_BIAS);
static_assert(i32(kLtTransA) == CUBLASLT_MATMUL_DESC_TRANSA);
static_assert(i32(kLtEpilogue) == CUBLASLT_MATMUL_DESC_EPILOGUE);
static_assert(i32(kLtBiasPointer) == CUBLASLT_MATMUL_DESC_BIAS_POINTER);
static_assert(i32(kLtMaxWorkspaceBytes) == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
static_assert(i32(kLtMinAlignmentA) == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
static_assert(i32(kLtMinAlignmentB) == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
static_assert(i32(kLtMinAlignmentC) == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
static_assert(i32(kLtMinAlignmentD) == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
static_assert(sizeof(LtAlgorithm) == sizeof(cublasLtMatmulAlgo_t));
static_assert(sizeof(LtHeuristic) == sizeof(cublasLtMatmulHeuristicResult_t));
static_assert(offsetof(LtHeuristic, workspace_bytes) ==
              offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize));
static_assert(offsetof(LtHeuristic, status) == offsetof(cublasLtMatmulHeuristicResult_t, state));

}  // namespace
}  // namespace cuda
