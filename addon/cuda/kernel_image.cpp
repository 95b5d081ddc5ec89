#include "kernel_image.h"

#include <bit>
#include <cstdio>
#include <cstdlib>

namespace cuda {
namespace {

// Loads `content`; on failure `log` has what the driver's compiler said, if anything.
CuResult load_module(const Driver& driver, const std::string& content, CuModule* module,
                     std::string* log) {
  char text[2048] = "";
  CuJitOption options[] = {kCuJitErrorLogBuffer, kCuJitErrorLogBufferBytes};
  void* values[] = {text, std::bit_cast<void*>(sizeof text)};
  const CuResult result = driver.module_load_data(module, content.c_str(), 2, options, values);
  text[sizeof text - 1] = '\0';
  *log = text;
  return result;
}

// Appends a kernel's name to the file $PAGED_ATTENTION_KERNEL_LOG, where that is set: how a test
// run shows which kernels it reached (tools/gpu-bundle/results.mjs).
void log_kernel(const char* name) {
  const char* const path = std::getenv("PAGED_ATTENTION_KERNEL_LOG");
  std::FILE* const file = path != nullptr ? std::fopen(path, "a") : nullptr;
  if (file == nullptr) return;
  std::fprintf(file, "%s\n", name);
  std::fclose(file);
}

}  // namespace

std::unique_ptr<KernelImage> KernelImage::load(Context& context, const std::vector<Image>& images,
                                               std::vector<std::string>* tries, Status* status) {
  for (const Image& image : images) {
    std::string content;
    if (!read_file(image.path, &content)) {
      tries->push_back(image.path + ": cannot be read");
      continue;
    }
    CuModule module = nullptr;
    std::string log;
    const CuResult result = load_module(context.driver(), content, &module, &log);
    if (result == kCuSuccess) {
      tries->push_back(image.path + ": loaded");
      *status = Status::ok();
      return std::unique_ptr<KernelImage>(new KernelImage(context, image, module));
    }
    *status = context.check(result, "cuModuleLoadDataEx");
    tries->push_back(image.path + ": " + describe(context.driver(), result) +
                     (log.empty() ? "" : "; " + log));
    if (context.health().is_lost()) return nullptr;
  }
  *status = Status::error("ERR_CUDA_UNAVAILABLE", "no image of the kernels could be loaded");
  return nullptr;
}

KernelImage::~KernelImage() { context_.driver().module_unload(module_); }

Status KernelImage::find(const char* name, CuFunction* function) const {
  return context_.check(context_.driver().module_get_function(function, module_, name),
                        "cuModuleGetFunction", name);
}

Status KernelTable::find(const char* name, Kernel** kernel) {
  const auto known = kernels_.find(std::string_view(name));
  if (known != kernels_.end()) {
    *kernel = &known->second;
    return Status::ok();
  }
  Kernel found;
  Status status = image_.find(name, &found.function);
  if (!status.is_ok()) return status;
  log_kernel(name);
  *kernel = &kernels_.emplace(name, found).first->second;
  return status;
}

}  // namespace cuda
