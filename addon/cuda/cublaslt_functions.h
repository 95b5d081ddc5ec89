#pragma once
// What the addon uses of cuBLASLt: own declarations, compared with cublasLt.h by
// cublaslt_abi_check.cpp where the header is there. Numbers and structures are those of CUDA 12 and
// 13 alike.

#include <cstddef>

#include "../../cuda/params.h"

namespace cuda {

using LtHandle = struct LtHandleStruct*;
using LtOperation = struct LtOperationStruct*;    // cublasLtMatmulDesc_t
using LtLayout = struct LtLayoutStruct*;          // cublasLtMatrixLayout_t
using LtPreference = struct LtPreferenceStruct*;  // cublasLtMatmulPreference_t
using LtStatus = i32;

constexpr LtStatus kLtSuccess = 0;
constexpr i32 kLtComputeF32 = 68;
constexpr i32 kLtF32 = 0;  // cudaDataType
constexpr i32 kLtF16 = 2;
constexpr i32 kLtBF16 = 14;
constexpr i32 kLtTransposed = 1;  // cublasOperation_t
constexpr u32 kLtAddBias = 4;     // cublasLtEpilogue_t

enum LtOperationAttribute : i32 {
  kLtTransA = 3,       // i32
  kLtEpilogue = 7,     // u32
  kLtBiasPointer = 8,  // const void*
};

enum LtPreferenceAttribute : i32 {
  kLtMaxWorkspaceBytes = 1,  // u64
  kLtMinAlignmentA = 5,      // u32, bytes; B, C and D follow
  kLtMinAlignmentB = 6,
  kLtMinAlignmentC = 7,
  kLtMinAlignmentD = 8,
};

struct LtAlgorithm {
  u64 data[8];
};

struct LtHeuristic {
  LtAlgorithm algorithm;
  size_t workspace_bytes;
  LtStatus status;
  f32 num_waves;
  i32 reserved[4];
};

// X(member, exported name, result, parameters)
#define PA_CUBLASLT_FUNCTIONS(X)                                                                  \
  X(get_version, cublasLtGetVersion, size_t, ())                                                  \
  X(create, cublasLtCreate, LtStatus, (LtHandle * handle))                                        \
  X(destroy, cublasLtDestroy, LtStatus, (LtHandle handle))                                        \
  X(operation_create, cublasLtMatmulDescCreate, LtStatus,                                         \
    (LtOperation * operation, i32 compute_type, i32 scale_type))                                  \
  X(operation_destroy, cublasLtMatmulDescDestroy, LtStatus, (LtOperation operation))              \
  X(operation_set, cublasLtMatmulDescSetAttribute, LtStatus,                                      \
    (LtOperation operation, LtOperationAttribute attribute, const void* value, size_t bytes))     \
  X(layout_create, cublasLtMatrixLayoutCreate, LtStatus,                                          \
    (LtLayout * layout, i32 type, u64 rows, u64 cols, i64 leading_dim))                           \
  X(layout_destroy, cublasLtMatrixLayoutDestroy, LtStatus, (LtLayout layout))                     \
  X(preference_create, cublasLtMatmulPreferenceCreate, LtStatus, (LtPreference * preference))     \
  X(preference_destroy, cublasLtMatmulPreferenceDestroy, LtStatus, (LtPreference preference))     \
  X(preference_set, cublasLtMatmulPreferenceSetAttribute, LtStatus,                               \
    (LtPreference preference, LtPreferenceAttribute attribute, const void* value, size_t bytes))  \
  X(get_heuristic, cublasLtMatmulAlgoGetHeuristic, LtStatus,                                      \
    (LtHandle handle, LtOperation operation, LtLayout a, LtLayout b, LtLayout c, LtLayout d,      \
     LtPreference preference, i32 num_wanted, LtHeuristic * heuristics, i32 * num_found))         \
  X(matmul, cublasLtMatmul, LtStatus,                                                             \
    (LtHandle handle, LtOperation operation, const void* alpha, const void* a, LtLayout a_layout, \
     const void* b, LtLayout b_layout, const void* beta, const void* c, LtLayout c_layout,        \
     void* d, LtLayout d_layout, const LtAlgorithm* algorithm, void* workspace,                   \
     size_t workspace_bytes, void* stream))

struct LtFunctions {
#define PA_MEMBER(member, exported, Result, params) Result(*member) params = nullptr;
  PA_CUBLASLT_FUNCTIONS(PA_MEMBER)
#undef PA_MEMBER
};

}  // namespace cuda
