"""Compiles one CUDA source to a cubin or to PTX by NVRTC, where a CUDA version's wheels have no nvcc.

nvrtc_compile.py LIBRARY SOURCE OUTPUT ARCH [OPTION ...]

ARCH is sm_90a for a cubin, compute_120 for PTX. Prints the compiler's log, in which ptxas reports
each kernel; a warning counts as an error.
"""

import ctypes
import sys


def check(library, result, call):
    """Ends the program with NVRTC's own words when a call failed."""
    if result:
        library.nvrtcGetErrorString.restype = ctypes.c_char_p
        sys.exit(f"{call}: {library.nvrtcGetErrorString(result).decode()}")


def read_bytes(library, program, size_call, call):
    """Gives what a pair of NVRTC calls (size, content) returns."""
    size = ctypes.c_size_t()
    check(library, getattr(library, size_call)(program, ctypes.byref(size)), size_call)
    content = ctypes.create_string_buffer(size.value)
    check(library, getattr(library, call)(program, content), call)
    return content.raw


def main():
    library_path, source_path, output_path, arch, *options = sys.argv[1:]
    library = ctypes.CDLL(library_path)
    with open(source_path, "rb") as source:
        text = source.read()
    program = ctypes.c_void_p()
    result = library.nvrtcCreateProgram(
        ctypes.byref(program), text, source_path.encode(), 0, None, None
    )
    check(library, result, "nvrtcCreateProgram")
    flags = [f"--gpu-architecture={arch}".encode()] + [option.encode() for option in options]
    result = library.nvrtcCompileProgram(program, len(flags), (ctypes.c_char_p * len(flags))(*flags))
    log = read_bytes(library, program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog")
    log = log.rstrip(b"\0").decode()
    print(log)
    check(library, result, "nvrtcCompileProgram")
    if "warning" in log:
        sys.exit("a warning counts as an error")
    kind = "CUBIN" if arch.startswith("sm_") else "PTX"
    image = read_bytes(library, program, f"nvrtcGet{kind}Size", f"nvrtcGet{kind}")
    with open(output_path, "wb") as output:
        output.write(image)


main()
