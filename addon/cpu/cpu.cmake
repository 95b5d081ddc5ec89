# Defines the object library `paged_attention_cpu`: the CPU backend behind addon/backend.h.
#
# The sources in PA_CPU_ISA_SOURCES are compiled once per instruction set, each time into its own
# namespace with its own flags; the rest is compiled once for the baseline. Nothing that the linker
# may merge between instruction sets (inline functions, templates of the standard library) may be in
# them: see simd.h. -ffp-contract=off: a fused multiply-add is only where the source has one.

set(PA_CPU_DIR ${CMAKE_CURRENT_LIST_DIR})

set(PA_CPU_SOURCES
  attention_op.cpp
  attention_plan.cpp
  copy_ops.cpp
  cpu_backend.cpp
  cpu_features.cpp
  cpu_memory.cpp
  sample.cpp
  thread_pool.cpp
  weight_pack.cpp)
list(TRANSFORM PA_CPU_SOURCES PREPEND ${PA_CPU_DIR}/)

set(PA_CPU_ISA_SOURCES
  activation_kernel.cpp
  attention_kernel.cpp
  kernel_table.cpp
  kv_cache_kernel.cpp
  logits_kernel.cpp
  matmul_kernel.cpp
  norm_kernel.cpp
  quantize_kernel.cpp
  quantized_matmul_kernel.cpp
  rope_kernel.cpp)
list(TRANSFORM PA_CPU_ISA_SOURCES PREPEND ${PA_CPU_DIR}/)

set(PA_CPU_OPTIMIZATION -O3 CACHE STRING "optimization of the CPU backend, whatever the build type")
set(PA_CPU_FLAGS ${PA_CPU_OPTIMIZATION} -ffp-contract=off -fno-math-errno -fPIC -Wall -Wextra -Wno-psabi)

add_library(paged_attention_cpu OBJECT ${PA_CPU_SOURCES})
target_compile_options(paged_attention_cpu PRIVATE ${PA_CPU_FLAGS})

function(pa_add_isa name level)
  add_library(paged_attention_cpu_${name} OBJECT ${PA_CPU_ISA_SOURCES})
  target_compile_definitions(paged_attention_cpu_${name} PRIVATE PA_ISA=${name} PA_ISA_LEVEL=${level})
  target_compile_options(paged_attention_cpu_${name} PRIVATE ${PA_CPU_FLAGS} ${ARGN})
  set_target_properties(paged_attention_cpu_${name} PROPERTIES CXX_STANDARD 20
    CXX_STANDARD_REQUIRED ON)
  target_sources(paged_attention_cpu INTERFACE $<TARGET_OBJECTS:paged_attention_cpu_${name}>)
  list(APPEND PA_CPU_ISAS ${name})
  set(PA_CPU_ISAS ${PA_CPU_ISAS} PARENT_SCOPE)
endfunction()

set_target_properties(paged_attention_cpu PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON)
# GCC 12's SLP vectorizer changed bits of lane-wise code in vector types: not here.
pa_add_isa(portable 0 -fno-tree-slp-vectorize)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  set(PA_AVX2_FLAGS -mavx2 -mfma -mf16c)
  # GCC 12 warns of its own headers' undefined vectors.
  set(PA_AVX512_FLAGS ${PA_AVX2_FLAGS} -mavx512f -mavx512bw -mavx512dq -mavx512vl
    -Wno-uninitialized -Wno-maybe-uninitialized)
  pa_add_isa(avx2 1 ${PA_AVX2_FLAGS})
  pa_add_isa(avx512 2 ${PA_AVX512_FLAGS})
  pa_add_isa(avx512bf16 3 ${PA_AVX512_FLAGS} -mavx512bf16 -mavx512vnni)
  target_compile_definitions(paged_attention_cpu PRIVATE PA_X86=1)
endif()

find_package(Threads REQUIRED)
target_link_libraries(paged_attention_cpu PUBLIC Threads::Threads)
