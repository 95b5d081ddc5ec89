#include "cuda_fixture.h"

#include <dlfcn.h>

#include <cstdlib>

const EmulatedDriver& emulated_driver() {
  static const EmulatedDriver driver = [] {
    setenv("PAGED_ATTENTION_LIBCUDA", PA_EMULATED_LIBRARY, 0);
    void* const library = dlopen(PA_EMULATED_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    EmulatedDriver found{};
    if (library == nullptr) {
      std::fprintf(stderr, "%s\n", dlerror());
      std::abort();
    }
    const auto find = [library](const char* name, auto* function) {
      *function =
          reinterpret_cast<std::remove_reference_t<decltype(*function)>>(dlsym(library, name));
    };
    find("emulated_fail", &found.fail);
    find("emulated_num_calls", &found.num_calls);
    find("emulated_num_kernels", &found.num_kernels);
    find("emulated_set_delay_us", &found.set_delay_us);
    find("emulated_bytes_held", &found.bytes_held);
    find("emulated_num_leaks", &found.num_leaks);
    return found;
  }();
  return driver;
}

Variable::Variable(const char* name, const std::string& value)
    : name_(name), was_set_(std::getenv(name) != nullptr) {
  if (was_set_) before_ = std::getenv(name);
  setenv(name, value.c_str(), 1);
}

Variable::~Variable() {
  if (was_set_) {
    setenv(name_, before_.c_str(), 1);
  } else {
    unsetenv(name_);
  }
}

CudaOptions emulated_options() {
  emulated_driver();
  CudaOptions options;
  options.payload_folders = {PA_EMULATED_PAYLOAD};
  return options;
}

std::unique_ptr<Backend> open_gpu(const CudaOptions& options) {
  Status status;
  std::unique_ptr<Backend> backend = open_cuda_backend(options, &status);
  check_ok(status);
  if (backend == nullptr) std::abort();  // nothing that follows could run
  return backend;
}

std::string code_of(const Status& status) { return status.is_ok() ? "" : status.code(); }

void check_ok(const Status& status) {
  if (status.is_ok()) return;
  check::fail(__FILE__, __LINE__, check::text(status.code(), ": ", status.message()));
}

void check_says(const Status& status, const char* code, const std::vector<std::string>& parts) {
  CHECK_EQUAL(code_of(status), std::string(code));
  for (const std::string& part : parts) {
    if (status.message().find(part) != std::string::npos) continue;
    check::fail(__FILE__, __LINE__, check::text("'", part, "' is not in: ", status.message()));
  }
}

DeviceBytes::DeviceBytes(Backend& backend, size_t bytes)
    : backend_(backend), bytes_(bytes), data_(backend.allocate(bytes, false)) {
  CHECK(data_ != nullptr);
}

DeviceBytes::~DeviceBytes() { backend_.free(data_, bytes_); }

GpuParts::GpuParts() {
  const CudaOptions options = emulated_options();
  std::vector<std::string> tries;
  Status status;
  std::shared_ptr<const cuda::Driver> driver = cuda::open_driver(&tries);
  context = cuda::Context::open(driver, 0, &tries, &status);
  check_ok(status);
  const cuda::PayloadSearch search =
      cuda::find_images(options.payload_folders, context->capability(), driver->version);
  image = cuda::KernelImage::load(*context, search.images, &tries, &status);
  check_ok(status);
  stream = std::make_unique<cuda::Stream>(*context);
  check_ok(stream->open());
  memory = std::make_unique<cuda::DeviceMemory>(*context, *stream, 0);
  launcher = std::make_unique<cuda::StreamLauncher>(*context, *image, *stream, memory.get(), false);
}

GpuParts::~GpuParts() {
  launcher.reset();
  memory.reset();
  stream.reset();
  image.reset();
  context.reset();
}
