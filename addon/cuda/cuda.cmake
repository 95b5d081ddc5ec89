# Defines the object library `paged_attention_cuda`: the CUDA backend behind addon/backend.h. It needs
# no toolkit and links nothing of CUDA; the driver and the kernels are found at run time.

set(PA_CUDA_DIR ${CMAKE_CURRENT_LIST_DIR})

set(PA_CUDA_SOURCES
  attention_op.cpp
  context.cpp
  cublaslt.cpp
  cuda_backend.cpp
  cuda_error.cpp
  device_memory.cpp
  driver.cpp
  graphs.cpp
  json.cpp
  kernel_image.cpp
  kv_ops.cpp
  matmul_op.cpp
  open.cpp
  payload.cpp
  sample_op.cpp
  small_ops.cpp
  staging.cpp
  stream.cpp
  stream_launcher.cpp
  transfer_op.cpp
  transfers.cpp
  weight_upload.cpp)
list(TRANSFORM PA_CUDA_SOURCES PREPEND ${PA_CUDA_DIR}/)

add_library(paged_attention_cuda OBJECT ${PA_CUDA_SOURCES})
target_compile_options(paged_attention_cuda PRIVATE -O2 -ffp-contract=off -fPIC -Wall -Wextra)
set_target_properties(paged_attention_cuda PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON)
target_link_libraries(paged_attention_cuda PUBLIC ${CMAKE_DL_LIBS})

# The stamp that ties kernels to the addon that launches them: of every file of cuda/, in the order of
# their names, the name and a line break and the content. Mirrors payloadAbi in tools/.
file(GLOB PA_KERNEL_SOURCES CONFIGURE_DEPENDS ${PA_CUDA_DIR}/../../cuda/*)
list(SORT PA_KERNEL_SOURCES)
set(PA_KERNEL_TEXT "")
foreach(source ${PA_KERNEL_SOURCES})
  get_filename_component(name ${source} NAME)
  file(READ ${source} text)
  string(APPEND PA_KERNEL_TEXT "${name}\n${text}")
endforeach()
string(SHA256 PA_PAYLOAD_ABI "${PA_KERNEL_TEXT}")
string(SUBSTRING ${PA_PAYLOAD_ABI} 0 16 PA_PAYLOAD_ABI)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PA_KERNEL_SOURCES})
set_source_files_properties(${PA_CUDA_DIR}/payload.cpp PROPERTIES
  COMPILE_DEFINITIONS PA_PAYLOAD_ABI="${PA_PAYLOAD_ABI}")
