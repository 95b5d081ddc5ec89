// From options to an open GPU: driver, GPU, payload, in this order; each step that fails says what
// it tried.

#include "cuda_backend.h"

namespace cuda {
namespace {

std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

// The error when nothing fits or loads: whether there were kernels, for other GPUs only, is what
// tells a wrong package from a missing one.
Status no_kernels(const Context& context, const PayloadSearch& search,
                  const std::vector<std::string>& tries) {
  if (search.found.empty() || !search.images.empty()) {
    return Status::error("ERR_CUDA_UNAVAILABLE", "no kernels for the GPU; tried:" + join(tries));
  }
  std::string archs;
  for (const std::string& arch : search.found) archs += (archs.empty() ? "" : ", ") + arch;
  const Capability capability = context.capability();
  return Status::error("ERR_UNSUPPORTED_GPU", context.name() + " has compute capability " +
                                                  std::to_string(capability.major) + "." +
                                                  std::to_string(capability.minor) +
                                                  "; there are kernels for " + archs +
                                                  "; tried:" + join(tries));
}

std::unique_ptr<Backend> open_backend(const CudaOptions& options, std::vector<std::string>* tries,
                                      Status* status) {
  std::shared_ptr<const Driver> driver = open_driver(tries);
  if (driver == nullptr) {
    *status = Status::error("ERR_CUDA_UNAVAILABLE", "no CUDA driver; tried:" + join(*tries));
    return nullptr;
  }
  const i32 driver_version = driver->version;
  std::unique_ptr<Context> context = Context::open(std::move(driver), options.index, tries, status);
  if (context == nullptr) {
    const bool is_absent = std::string(status->code()) != "ERR_UNSUPPORTED_GPU";
    *status = Status::error(is_absent ? "ERR_CUDA_UNAVAILABLE" : "ERR_UNSUPPORTED_GPU",
                            "no GPU " + std::to_string(options.index) + "; tried:" + join(*tries));
    return nullptr;
  }
  const PayloadSearch search =
      find_images(options.payload_folders, context->capability(), driver_version);
  tries->insert(tries->end(), search.tries.begin(), search.tries.end());
  std::unique_ptr<KernelImage> image = KernelImage::load(*context, search.images, tries, status);
  if (image == nullptr) {
    if (!context->health().is_lost()) *status = no_kernels(*context, search, *tries);
    return nullptr;
  }
  return CudaBackend::open(std::move(context), std::move(image), options, tries, status);
}

}  // namespace
}  // namespace cuda

std::unique_ptr<Backend> open_cuda_backend(const CudaOptions& options, Status* status) {
  std::vector<std::string> tries;
  return cuda::open_backend(options, &tries, status);
}

std::vector<std::string> probe_cuda(const CudaOptions& options) {
  std::vector<std::string> tries;
  Status status;
  const bool is_open = cuda::open_backend(options, &tries, &status) != nullptr;
  tries.push_back(is_open ? "the GPU can be used"
                          : std::string(status.code()) + ": the GPU cannot be used");
  return tries;
}

std::vector<std::string> list_gpus() {
  std::vector<std::string> tries;
  const std::shared_ptr<const cuda::Driver> driver = cuda::open_driver(&tries);
  i32 count = 0;
  if (driver == nullptr || driver->device_get_count(&count) != cuda::kCuSuccess) return {};
  std::vector<std::string> names;
  for (i32 i = 0; i < count; i++) {
    char name[256] = "GPU without a name";
    cuda::CuDevice device = 0;
    if (driver->device_get(&device, i) == cuda::kCuSuccess) {
      driver->device_get_name(name, sizeof name, device);
    }
    names.emplace_back(name);
  }
  return names;
}
