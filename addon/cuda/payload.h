#pragma once
// Choosing the kernels' images: folders of data files beside the addon, one per CUDA version.
//
// A folder has payload.json { "abi", "cuda", "images": [{ "file", "kind", "arch" }] } and the
// images: cubins (machine code of one architecture) and PTX (which the driver compiles).
// Mirrors what tools/build-payloads writes.

#include <string>
#include <vector>

#include "../../cuda/params.h"

namespace cuda {

// The stamp of the kernels' sources that this addon was built with: a payload must have the same.
extern const char* const kPayloadAbi;

struct Capability {
  i32 major;
  i32 minor;
};

struct Image {
  std::string path;
  std::string kind;  // "cubin" | "ptx"
  std::string arch;  // "sm_90a", "compute_100"
  i32 cuda;          // major version that built it
};

// Whether the image runs on the GPU, by how it was compiled: sm_86 on 8.x from 8.6 on, sm_90a on
// 9.0 only, PTX of compute_80 on everything from 8.0 on.
bool runs_on(const Image& image, Capability gpu);

struct PayloadSearch {
  std::vector<Image> images;       // that fit, best first within a folder
  std::vector<std::string> found;  // architectures of every payload that was otherwise usable
  std::vector<std::string> tries;  // a line per folder: what was there
};

// Looks through `folders` in order.
//
// @param driver_version  12040 for CUDA 12.4: an image of a newer major version is passed over
PayloadSearch find_images(const std::vector<std::string>& folders, Capability gpu,
                          i32 driver_version);

// The whole file; false when it cannot be read.
bool read_file(const std::string& path, std::string* content);

}  // namespace cuda
