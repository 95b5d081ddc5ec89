# Builds everything that is defined after it with sanitizers. Include it before the other files.

set(PA_SANITIZE "" CACHE STRING "sanitizers, separated by commas; empty for none")
if(PA_SANITIZE)
  add_compile_options(-fsanitize=${PA_SANITIZE} -fno-sanitize-recover=all -g1 -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${PA_SANITIZE})
  add_compile_definitions(PA_SMALL_CODE=1)
  set(PA_CPU_OPTIMIZATION -O1 CACHE STRING "")
endif()
