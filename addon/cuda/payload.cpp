#include "payload.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include "json.h"

namespace cuda {

#ifndef PA_PAYLOAD_ABI
#error "PA_PAYLOAD_ABI is set by addon/cuda/cuda.cmake"
#endif
const char* const kPayloadAbi = PA_PAYLOAD_ABI;

namespace {

// "sm_90a": number 90, suffix 'a'. Suffix '\0': plain; '?': not understood.
struct Arch {
  i32 number = 0;
  char suffix = '?';

  Capability capability() const { return {number / 10, number % 10}; }
};

Arch parse_arch(const Image& image) {
  const std::string prefix = image.kind == "ptx" ? "compute_" : "sm_";
  if (image.arch.rfind(prefix, 0) != 0) return {};
  Arch arch;
  const char* const end = image.arch.data() + image.arch.size();
  const auto parsed = std::from_chars(image.arch.data() + prefix.size(), end, arch.number);
  if (parsed.ec != std::errc() || arch.number < 10) return {};
  if (parsed.ptr == end) arch.suffix = '\0';
  if (end - parsed.ptr == 1 && (*parsed.ptr == 'a' || *parsed.ptr == 'f'))
    arch.suffix = *parsed.ptr;
  return arch;
}

std::string name_of(Capability gpu) {
  return std::to_string(gpu.major) + "." + std::to_string(gpu.minor);
}

// What payload.json says, or why it cannot be used.
struct Manifest {
  std::string problem;
  i32 cuda = 0;
  std::vector<Image> images;
};

Manifest read_images(const Json& json, const std::string& folder, i32 cuda) {
  Manifest manifest;
  manifest.cuda = cuda;
  const Json* images = json.find("images", Json::Kind::kArray);
  if (images == nullptr) return {"payload.json has no list of images", cuda, {}};
  for (const Json& item : images->items) {
    const Json* file = item.find("file", Json::Kind::kString);
    const Json* kind = item.find("kind", Json::Kind::kString);
    const Json* arch = item.find("arch", Json::Kind::kString);
    const bool is_plain_name = file != nullptr && file->text.find('/') == std::string::npos;
    if (!is_plain_name || kind == nullptr || arch == nullptr ||
        (kind->text != "cubin" && kind->text != "ptx")) {
      return {"payload.json has an image without a file name, kind and arch", cuda, {}};
    }
    manifest.images.push_back({folder + "/" + file->text, kind->text, arch->text, cuda});
  }
  return manifest;
}

Manifest read_manifest(const std::string& folder) {
  std::string text;
  if (!read_file(folder + "/payload.json", &text)) return {"no payload.json", 0, {}};
  std::string problem;
  const std::optional<Json> json = parse_json(text, &problem);
  if (!json) return {"payload.json is no JSON: " + problem, 0, {}};
  const Json* abi = json->find("abi", Json::Kind::kString);
  const Json* cuda = json->find("cuda", Json::Kind::kNumber);
  if (abi == nullptr || cuda == nullptr) return {"payload.json has no abi or cuda", 0, {}};
  if (abi->text != kPayloadAbi) {
    return {"made for other kernels: its abi is " + abi->text + ", the addon's is " + kPayloadAbi,
            0,
            {}};
  }
  return read_images(*json, folder, cuda->number);
}

// Machine code before PTX, the architecture-specific before the general, then the newer.
bool is_better(const Image& a, const Image& b) {
  if (a.kind != b.kind) return a.kind == "cubin";
  const Arch left = parse_arch(a), right = parse_arch(b);
  if (left.number != right.number) return left.number > right.number;
  const auto rank = [](char suffix) { return suffix == 'a' ? 2 : suffix == 'f' ? 1 : 0; };
  return rank(left.suffix) > rank(right.suffix);
}

std::string join(const std::vector<Image>& images) {
  std::string names;
  for (const Image& image : images) names += (names.empty() ? "" : ", ") + image.arch;
  return names.empty() ? "nothing" : names;
}

}  // namespace

bool runs_on(const Image& image, Capability gpu) {
  const Arch arch = parse_arch(image);
  const Capability made_for = arch.capability();
  switch (arch.suffix) {
    case 'a':
      return made_for.major == gpu.major && made_for.minor == gpu.minor;
    case 'f':
      return made_for.major == gpu.major && made_for.minor <= gpu.minor;
    case '\0':
      if (image.kind == "ptx") return arch.number <= gpu.major * 10 + gpu.minor;
      return made_for.major == gpu.major && made_for.minor <= gpu.minor;
    default:
      return false;
  }
}

PayloadSearch find_images(const std::vector<std::string>& folders, Capability gpu,
                          i32 driver_version) {
  PayloadSearch search;
  if (folders.empty()) search.tries.push_back("no folder to look for kernels in");
  for (const std::string& folder : folders) {
    const Manifest manifest = read_manifest(folder);
    if (!manifest.problem.empty()) {
      search.tries.push_back(folder + ": " + manifest.problem);
      continue;
    }
    if (manifest.cuda > driver_version / 1000) {
      search.tries.push_back(folder + ": is for CUDA " + std::to_string(manifest.cuda) +
                             "; the driver is for CUDA " + std::to_string(driver_version / 1000));
      continue;
    }
    std::vector<Image> fitting;
    for (const Image& image : manifest.images) {
      search.found.push_back(image.arch);
      if (runs_on(image, gpu)) fitting.push_back(image);
    }
    std::stable_sort(fitting.begin(), fitting.end(), is_better);
    search.tries.push_back(folder + ": has " + join(manifest.images) + "; of these " +
                           join(fitting) + " for compute capability " + name_of(gpu));
    search.images.insert(search.images.end(), fitting.begin(), fitting.end());
  }
  return search;
}

bool read_file(const std::string& path, std::string* content) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  content->assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  return file.good() || file.eof();
}

}  // namespace cuda
