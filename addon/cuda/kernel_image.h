#pragma once
// The kernels of one payload, loaded onto the GPU.

#include <string_view>
#include <unordered_map>

#include "context.h"

namespace cuda {

class KernelImage {
 public:
  // Loads the first of `images` that the driver accepts. Null and a failed status when none is.
  //
  // @param tries  gets a line for each image: loaded, or what the driver said
  static std::unique_ptr<KernelImage> load(Context& context, const std::vector<Image>& images,
                                           std::vector<std::string>* tries, Status* status);
  ~KernelImage();
  KernelImage(const KernelImage&) = delete;
  KernelImage& operator=(const KernelImage&) = delete;

  const Image& image() const { return image_; }
  // The kernel of that name; any thread.
  Status find(const char* name, CuFunction* function) const;

 private:
  KernelImage(Context& context, Image image, CuModule module)
      : context_(context), image_(std::move(image)), module_(module) {}

  Context& context_;
  const Image image_;
  const CuModule module_;
};

// Kernels by name, looked up once each. One thread.
class KernelTable {
 public:
  explicit KernelTable(const KernelImage& image) : image_(image) {}

  struct Kernel {
    CuFunction function = nullptr;
    u32 max_dynamic_bytes = 48 << 10;  // what every kernel may have without asking
  };
  Status find(const char* name, Kernel** kernel);

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };

  const KernelImage& image_;
  std::unordered_map<std::string, Kernel, Hash, std::equal_to<>> kernels_;
};

}  // namespace cuda
