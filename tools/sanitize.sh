#!/bin/sh
# Builds and runs the native tests under AddressSanitizer with UndefinedBehaviorSanitizer, and under
# ThreadSanitizer, in build/asan and build/tsan.
#
#   tools/sanitize.sh [asan|tsan]      both without an argument
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

run_variant() {
  folder=$root/build/$1
  cmake -S "$root/test/native" -B "$folder" -DPA_SANITIZE="$2" >/dev/null
  cmake --build "$folder" -j2 --target native_tests
  echo "native tests under $2"
  "$folder/native_tests"
}

export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1
case ${1:-all} in
  asan) run_variant asan address,undefined ;;
  tsan) run_variant tsan thread ;;
  all)
    run_variant asan address,undefined
    run_variant tsan thread
    ;;
  *)
    echo "usage: tools/sanitize.sh [asan|tsan]" >&2
    exit 2
    ;;
esac
