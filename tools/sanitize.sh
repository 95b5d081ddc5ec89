#!/bin/sh
# Runs 200 random commands on the engine, through Node and the whole addon, under AddressSanitizer with
# UndefinedBehaviorSanitizer, in build/addon-asan; then the native tests under the same two, and under
# ThreadSanitizer, in build/asan and build/tsan.
#
#   tools/sanitize.sh [asan|tsan|node]      all without an argument
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

run_variant() {
  folder=$root/build/$1
  cmake -S "$root/test/native" -B "$folder" -DPA_SANITIZE="$2" >/dev/null
  cmake --build "$folder" -j2 --target native_tests
  echo "native tests under $2"
  "$folder/native_tests"
}

# Node is not instrumented: the sanitizer's library is loaded before it, and its leaks are not ours.
run_node() {
  folder=$root/build/addon-asan
  cmake -S "$root" -B "$folder" -DPA_SANITIZE=address,undefined -DCMAKE_JS_LIB= \
    -DCMAKE_JS_INC="$root/node_modules/node-api-headers/include" \
    -DCMAKE_LIBRARY_OUTPUT_DIRECTORY="$folder/build/Release" >/dev/null
  cmake --build "$folder" -j2
  echo "random commands on the engine under address,undefined"
  cxx=${CXX:-c++}
  LD_PRELOAD="$($cxx -print-file-name=libasan.so) $($cxx -print-file-name=libstdc++.so.6)" \
    ASAN_OPTIONS=detect_leaks=0 PAGED_ATTENTION_PREBUILD="$folder" PA_COMMANDS=200 \
    node "$root/test/small-runner/run.mjs" --timeout-factor 10 "$root/test/engine/commands.test.ts"
}

export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1
case ${1:-all} in
  asan) run_variant asan address,undefined ;;
  tsan) run_variant tsan thread ;;
  node) run_node ;;
  all)
    run_node
    run_variant asan address,undefined
    run_variant tsan thread
    ;;
  *)
    echo "usage: tools/sanitize.sh [asan|tsan|node]" >&2
    exit 2
    ;;
esac
