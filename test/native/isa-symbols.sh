#!/bin/sh
# isa-symbols.sh <isa> <object>...: fails when an object compiled for an instruction set defines a weak
# symbol outside that instruction set's namespace. The linker keeps one of several weak definitions,
# and it could be the one that older machines cannot run.
isa=$1
shift
found=$(nm -C --defined-only "$@" | grep -E ' [WVu] ' | grep -v "cpu::$isa::" || true)
if [ -n "$found" ]; then
  echo "objects of '$isa' define symbols that the linker may merge with others:" >&2
  echo "$found" >&2
  exit 1
fi
