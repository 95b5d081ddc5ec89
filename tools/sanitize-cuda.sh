#!/bin/sh
# Builds and runs the native tests of addon/cuda/ on the emulated driver: plain, under AddressSanitizer
# with UndefinedBehaviorSanitizer, and under ThreadSanitizer, in build/emulation/driver{,-asan,-tsan}.
#
#   tools/sanitize-cuda.sh [plain|asan|tsan]      all without an argument
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

passed=0
failed=0

run_variant() {
  folder=$root/build/emulation/driver$2
  cmake -S "$root/test/emulation/driver" -B "$folder" -DPA_SANITIZE="$3" >/dev/null
  cmake --build "$folder" -j2 --target driver_tests >"$folder/build.log" 2>&1 || {
    cat "$folder/build.log"
    return 1
  }
  echo "tests of the CUDA backend, $1"
  status=0
  "$folder/driver_tests" >"$folder/tests.log" 2>&1 || status=$?
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$folder/tests.log" | tail -n 1)
  echo "$1: ${line:-no counts}, exit code $status"
  passed=$((passed + $(echo "${line:-0 passed}" | sed -E 's/^([0-9]+) passed.*/\1/')))
  [ "$status" -eq 0 ] && [ -n "$line" ] && return
  grep -v '^pass ' "$folder/tests.log" || true
  failed=$((failed + 1))
}

export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1
case ${1:-all} in
  plain) run_variant plain '' '' ;;
  asan) run_variant asan -asan address,undefined ;;
  tsan) run_variant tsan -tsan thread ;;
  all)
    run_variant plain '' ''
    run_variant asan -asan address,undefined
    run_variant tsan -tsan thread
    ;;
  *)
    echo "usage: tools/sanitize-cuda.sh [plain|asan|tsan]" >&2
    exit 2
    ;;
esac
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
