// Finding the driver and the GPU.

#include "../../../addon/cuda/cuda_error.h"
#include "cuda_fixture.h"

namespace {

Status open_status(const CudaOptions& options) {
  Status status;
  CHECK(open_cuda_backend(options, &status) == nullptr);
  return status;
}

}  // namespace

TEST("a driver that is not there is refused, with its path and the loader's reason") {
  const CudaOptions options = emulated_options();
  const Variable path("PAGED_ATTENTION_LIBCUDA", "/nowhere/libcuda.so");
  check_says(open_status(options), "ERR_CUDA_UNAVAILABLE",
             {"PAGED_ATTENTION_LIBCUDA=/nowhere/libcuda.so", "No such file"});
  CHECK(list_gpus().empty());
}

TEST("a library without the driver's functions is refused, with the first one that it lacks") {
  const CudaOptions options = emulated_options();
  const Variable path("PAGED_ATTENTION_LIBCUDA", "libm.so.6");
  check_says(open_status(options), "ERR_CUDA_UNAVAILABLE", {"libm.so.6", "has no cuInit"});
}

TEST("a driver without a GPU is refused, with what cuInit gave") {
  const CudaOptions options = emulated_options();
  const Variable none("PA_EMULATED_GPUS", "0");
  check_says(open_status(options), "ERR_CUDA_UNAVAILABLE", {"cuInit", "CUDA_ERROR_NO_DEVICE"});
  CHECK(list_gpus().empty());
}

TEST("a GPU past the last one is refused, with how many there are") {
  CudaOptions options = emulated_options();
  const Variable two("PA_EMULATED_GPUS", "2");
  CHECK_EQUAL(list_gpus().size(), size_t(2));
  for (const int index : {2, -1}) {
    options.index = index;
    check_says(open_status(options), "ERR_CUDA_UNAVAILABLE", {"the driver has 2 GPUs"});
  }
}

TEST("an open GPU says what it is") {
  CudaOptions options = emulated_options();
  options.is_deterministic = true;
  options.max_bytes = size_t{100} << 20;
  const Variable capability("PA_EMULATED_CAPABILITY", "8.6");
  const Variable memory("PA_EMULATED_MEMORY_BYTES", "300000000");
  const std::unique_ptr<Backend> backend = open_gpu(options);
  const BackendInfo info = backend->info();
  CHECK_EQUAL(info.backend, "cuda");
  CHECK_EQUAL(info.isa, "sm_86");
  CHECK_EQUAL(info.name, "Emulated GPU");
  CHECK_EQUAL(info.compute_capability, "8.6");
  CHECK(info.is_deterministic);
  CHECK_EQUAL(info.memory_bytes, i64{100} << 20);
  CHECK_EQUAL(info.free_bytes, i64{100} << 20);
  options.max_bytes = 0;
  CHECK_EQUAL(open_gpu(options)->info().memory_bytes, i64{300000000});
}

TEST("probing a GPU has a line for each thing tried, and leaves nothing open") {
  const auto has = [](const std::vector<std::string>& lines, const char* part) {
    for (const std::string& line : lines) {
      if (line.find(part) != std::string::npos) return true;
    }
    return false;
  };
  CudaOptions options = emulated_options();
  options.payload_folders.insert(options.payload_folders.begin(), "/nowhere");
  const std::vector<std::string> lines = probe_cuda(options);
  for (const char* part :
       {"a driver for CUDA 13.0", "GPU 0: Emulated GPU, compute capability 9.0",
        "/nowhere: no payload.json", "sm_90a.cubin: loaded", "cuBLASLt", "can be used"}) {
    if (!has(lines, part)) check::fail(__FILE__, __LINE__, part);
  }
  CHECK_EQUAL(emulated_driver().num_leaks(), i64(0));
  options.index = 7;
  CHECK(has(probe_cuda(options), "ERR_CUDA_UNAVAILABLE"));
}

TEST("a device that fails to open gives back what it took") {
  const CudaOptions options = emulated_options();
  for (const char* call : {"cuDevicePrimaryCtxRetain", "cuDeviceGetAttribute", "cuStreamCreate",
                           "cuMemHostAlloc", "cuEventCreate", "cuMemGetInfo_v2"}) {
    const check::Case failing(call);
    emulated_driver().fail(call, 1, cuda::kCuOutOfMemory);
    CHECK(!open_status(options).is_ok());
    CHECK_EQUAL(emulated_driver().num_leaks(), i64(0));
    open_gpu(options);
  }
}

TEST("two devices on one GPU close one after the other and leave nothing behind") {
  std::unique_ptr<Backend> first = open_gpu();
  std::unique_ptr<Backend> second = open_gpu();
  const std::vector<i32> sent = {4, 5, 6};
  first.reset();
  {
    DeviceBytes bytes(*second, 12);
    bytes.write(sent);
    CHECK(bytes.read<i32>(3) == sent);
  }
  second.reset();
  CHECK_EQUAL(emulated_driver().num_leaks(), i64(0));
}

TEST("results after which nothing works are told from those that pass") {
  for (const int result : {700, 702, 710, 714, 715, 716, 717, 718, 719, 721, 214, 220, 226, 999}) {
    CHECK(cuda::is_sticky(cuda::CuResult(result)));
  }
  for (const int result : {0, 1, 2, 200, 209, 400, 500, 600, 701, 720, 801, 900, 901}) {
    CHECK(!cuda::is_sticky(cuda::CuResult(result)));
  }
}
