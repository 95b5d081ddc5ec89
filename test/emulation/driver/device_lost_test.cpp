// What fails, what goes on afterwards, and what does not.

#include "cuda_fixture.h"

namespace {

struct Work {
  explicit Work(Backend& backend) : backend(backend), x(backend, 400) {}
  Status run() { return backend.scale({x.as<f32>(), 2.0f, 10, 10}); }

  Backend& backend;
  DeviceBytes x;
};

// Every entry of the backend that can refuse.
void check_everything_is_refused(Backend& backend, void* data) {
  u8 byte = 0;
  const WeightPart part = {&byte, 1, kBF16};
  const std::atomic<bool> cancelled{false};
  const i32 pair[] = {0, 0};
  const Status refused[] = {
      backend.upload(data, &byte, 1),
      backend.upload(data, &byte, 0),
      backend.download(&byte, data, 1),
      backend.fill(data, 1, 1),
      backend.finish(),
      backend.pack_weight(data, kBF16, 1, &part, 1),
      backend.scale({static_cast<f32*>(data), 2.0f, 1, 1}),
      backend.run_recorded({1, 1, false}, [] { return Status::ok(); }),
      backend.transfer_blocks({data, 16, &byte, pair, 1, true, &cancelled}),
  };
  for (size_t i = 0; i < std::size(refused); ++i) {
    const check::Case which(check::text("entry ", i));
    check_says(refused[i], "ERR_DEVICE_LOST", {"CUDA_ERROR_LAUNCH_FAILED"});
  }
  CHECK(backend.allocate(100, false) == nullptr);
  CHECK(backend.allocate_host(100) == nullptr);
}

}  // namespace

TEST("a launch that is refused fails its op with call, kernel and number, and the next one runs") {
  const std::unique_ptr<Backend> backend = open_gpu();
  Work work(*backend);
  check_ok(work.run());
  emulated_driver().fail("cuLaunchKernel", 1, cuda::kCuLaunchOutOfResources);
  const Status failed = work.run();
  check_says(failed, "ERR_CUDA", {"cuLaunchKernel", "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"});
  CHECK(failed.cuda_failure() != nullptr);
  CHECK_EQUAL(failed.cuda_failure()->code, 701);
  CHECK_EQUAL(failed.cuda_failure()->call, "cuLaunchKernel");
  CHECK(failed.cuda_failure()->kernel.find("scale") != std::string::npos);
  check_ok(work.run());
  check_ok(backend->finish());
}

TEST("a kernel that the image does not have is named") {
  GpuParts gpu;
  check_says(gpu.launcher->launch("no_such_kernel", {}, 0), "ERR_CUDA",
             {"no_such_kernel", "CUDA_ERROR_NOT_FOUND"});
}

TEST(
    "after a sticky launch failure everything is refused with its cause, until the device is "
    "reopened") {
  std::unique_ptr<Backend> backend = open_gpu();
  {
    Work work(*backend);
    check_ok(work.run());
    void* const host = backend->allocate_host(100);
    emulated_driver().fail("cuLaunchKernel", 1, cuda::kCuLaunchFailed);
    const Status failed = work.run();
    CHECK_EQUAL(code_of(failed), "ERR_CUDA");
    CHECK_EQUAL(failed.cuda_failure()->code, 719);
    check_everything_is_refused(*backend, work.x.as<u8>());
    backend->forget_recorded(1);
    backend->free_host(host, 100);
  }
  backend.reset();

  backend = open_gpu();
  Work work(*backend);
  check_ok(work.run());
  check_ok(backend->finish());
}

TEST(
    "a kernel that fails while it runs is reported by the call that waits for it, then all are "
    "refused") {
  std::unique_ptr<Backend> backend = open_gpu();
  {
    const Delays delays(300);
    Work work(*backend);
    work.x.write(std::vector<f32>(100, 1.0f));
    emulated_driver().fail("kernel", 3, cuda::kCuLaunchFailed);
    for (int i = 0; i < 2; ++i) check_ok(work.run());
    f32 value = 0;
    check_ok(backend->download(&value, work.x.as<f32>(), 4));
    CHECK_EQUAL(value, 4.0f);
    const Status third = work.run();
    const Status waited = backend->download(&value, work.x.as<f32>(), 4);
    CHECK_EQUAL(code_of(third.is_ok() ? waited : third), "ERR_CUDA");
    CHECK_EQUAL((third.is_ok() ? waited : third).cuda_failure()->code, 719);
    check_everything_is_refused(*backend, work.x.as<u8>());
  }
  backend.reset();
  open_gpu();
}

TEST("a device that is lost while steps are captured or replayed says so") {
  for (const int which_run : {1, 2, 3}) {
    const check::Case which(check::text("run ", which_run));
    std::unique_ptr<Backend> backend = open_gpu();
    Work work(*backend);
    const auto ops = [&] { return work.run(); };
    for (int i = 1; i < which_run; ++i) check_ok(backend->run_recorded({1, 1, false}, ops));
    check_ok(backend->finish());
    emulated_driver().fail("kernel", 1, cuda::kCuLaunchFailed);
    Status status = backend->run_recorded({1, 1, false}, ops);
    if (status.is_ok()) status = backend->finish();
    CHECK_EQUAL(code_of(status), "ERR_CUDA");
    check_everything_is_refused(*backend, work.x.as<u8>());
  }
}

TEST("a GPU that is out of memory for a workspace fails the op, not the device") {
  GpuParts gpu;
  void* data = nullptr;
  emulated_driver().fail("cuMemAlloc_v2", 1, cuda::kCuOutOfMemory);
  check_says(gpu.launcher->workspace(cuda::Workspace::kMatmul, 1000, &data), "ERR_OUT_OF_MEMORY",
             {"CUDA_ERROR_OUT_OF_MEMORY"});
  CHECK(data == nullptr);
  check_ok(gpu.launcher->workspace(cuda::Workspace::kMatmul, 1000, &data));
  CHECK(data != nullptr);
}
