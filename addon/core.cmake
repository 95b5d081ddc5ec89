# Defines the object library `paged_attention_core`: engine thread, memory, programs and steps, without
# Node. The addon links it; so can a test executable under a sanitizer.

set(PA_CORE_DIR ${CMAKE_CURRENT_LIST_DIR})
set(PA_CORE_SOURCES
  block_tables.cpp
  buffer_jobs.cpp
  direct_jobs.cpp
  engine.cpp
  mapped_file.cpp
  index_checks.cpp
  load_jobs.cpp
  memory.cpp
  op.cpp
  program.cpp
  sampling_slots.cpp
  step_derivation.cpp
  step_input.cpp
  step_layout.cpp
  transfer_thread.cpp)
list(TRANSFORM PA_CORE_SOURCES PREPEND ${PA_CORE_DIR}/)

add_library(paged_attention_core OBJECT ${PA_CORE_SOURCES})
target_compile_options(paged_attention_core PRIVATE -O2 -ffp-contract=off -fPIC -Wall -Wextra)
set_target_properties(paged_attention_core PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON)

find_package(Threads REQUIRED)
target_link_libraries(paged_attention_core PUBLIC Threads::Threads)
