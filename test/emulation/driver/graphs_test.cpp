// Recorded steps: first as they are, then captured, then replayed.

#include <thread>

#include "../../../addon/cuda/staging.h"
#include "cuda_fixture.h"

namespace {

constexpr i32 kDim = 8;
constexpr RecordKey kKey = {1, 4, false};

// out[r] = x[rows[r]] * 2, with rows on the device: what a replay must look at anew.
struct DoubledRows {
  explicit DoubledRows(Backend& backend)
      : backend(backend),
        x(backend, 100 * kDim * 4),
        out(backend, 4 * kDim * 4),
        rows(backend, 16) {
    std::vector<f32> values(100 * kDim);
    for (size_t i = 0; i < values.size(); ++i) values[i] = f32(i / kDim);
    x.write(values);
  }

  Status run() {
    num_runs++;
    const GatherRowsParams gather = {out.as<f32>(), x.as<f32>(), rows.as<i32>(), 4, 100,
                                     kDim,          kF32};
    Status status = backend.gather_rows(gather);
    return status.is_ok() ? backend.scale({out.as<f32>(), 2.0f, 4, kDim}) : status;
  }
  // Runs it recorded with these rows, and checks what comes out.
  void check_rows(const std::vector<i32>& asked, const RecordKey& key = kKey) {
    rows.write(asked);
    check_ok(backend.run_recorded(key, [this] { return run(); }));
    const std::vector<f32> found = out.read<f32>(4 * kDim);
    for (size_t r = 0; r < 4; ++r) {
      CHECK_EQUAL(found[r * kDim], 2.0f * f32(asked[r]));
      CHECK_EQUAL(found[r * kDim + kDim - 1], 2.0f * f32(asked[r]));
    }
  }

  Backend& backend;
  DeviceBytes x, out, rows;
  int num_runs = 0;
};

i64 launches() { return emulated_driver().num_calls("cuLaunchKernel"); }

}  // namespace

TEST("ops run twice and are replayed from then on, with what is in device memory then") {
  const std::unique_ptr<Backend> backend = open_gpu();
  const Delays delays(100);
  DoubledRows doubled(*backend);
  Random random(3);
  for (int i = 0; i < 50; ++i) {
    doubled.check_rows({random.below(100), random.below(100), random.below(100), 99 - i});
  }
  CHECK_EQUAL(doubled.num_runs, 2);
}

TEST("a replay is one call to the driver and runs every kernel") {
  const std::unique_ptr<Backend> backend = open_gpu();
  DoubledRows doubled(*backend);
  for (int i = 0; i < 2; ++i) doubled.check_rows({1, 2, 3, 4});
  const i64 launches_before = launches();
  const i64 kernels_before = emulated_driver().num_kernels();
  doubled.check_rows({5, 6, 7, 8});
  CHECK_EQUAL(launches(), launches_before);
  CHECK_EQUAL(emulated_driver().num_kernels(), kernels_before + 2);
}

TEST("keys that differ in program, rows or digests are recorded apart") {
  const std::unique_ptr<Backend> backend = open_gpu();
  DoubledRows doubled(*backend);
  const RecordKey keys[] = {{1, 4, false}, {2, 4, false}, {1, 8, false}, {1, 4, true}};
  for (int i = 0; i < 3; ++i) {
    for (const RecordKey& key : keys) doubled.check_rows({i, 2, 3, 4}, key);
  }
  CHECK_EQUAL(doubled.num_runs, 8);
}

TEST("a forgotten program is recorded again, others stay") {
  const std::unique_ptr<Backend> backend = open_gpu();
  DoubledRows doubled(*backend);
  const RecordKey other = {2, 4, false};
  for (int i = 0; i < 3; ++i) {
    doubled.check_rows({1, 2, 3, 4});
    doubled.check_rows({1, 2, 3, 4}, other);
  }
  backend->forget_recorded(1);
  backend->forget_recorded(77);
  doubled.num_runs = 0;
  doubled.check_rows({1, 2, 3, 4}, other);
  CHECK_EQUAL(doubled.num_runs, 0);
  for (int i = 0; i < 4; ++i) doubled.check_rows({4, 3, 2, 1});
  CHECK_EQUAL(doubled.num_runs, 2);
}

TEST("ops that fail while they are captured fail the step, and the next one runs") {
  const std::unique_ptr<Backend> backend = open_gpu();
  DoubledRows doubled(*backend);
  doubled.check_rows({1, 2, 3, 4});
  const Status failed = backend->run_recorded(kKey, [&] {
    doubled.run();
    return Status::error("ERR_NATIVE", "no");
  });
  CHECK_EQUAL(code_of(failed), "ERR_NATIVE");
  for (const auto& forbidden : std::vector<std::function<Status()>>{
           [&] { return backend->upload(doubled.out.as<u8>(), "abc", 3); },
           [&] {
             u8 byte;
             return backend->download(&byte, doubled.out.as<u8>(), 1);
           },
           [&] { return backend->finish(); }}) {
    check_says(backend->run_recorded(kKey, forbidden), "ERR_CUDA", {"recorded step"});
  }
  CHECK_EQUAL(code_of(backend->run_recorded(kKey,
                                            [&] {
                                              CHECK(backend->allocate(10, false) == nullptr);
                                              return Status::error("ERR_NATIVE", "no");
                                            })),
              "ERR_NATIVE");
  for (int i = 0; i < 3; ++i) doubled.check_rows({4, 3, 2, 1});
}

TEST("a capture that the driver ends fails the step, and the next one is captured anew") {
  const std::unique_ptr<Backend> backend = open_gpu();
  DoubledRows doubled(*backend);
  doubled.check_rows({1, 2, 3, 4});
  for (const char* call : {"cuStreamBeginCapture_v2", "cuStreamEndCapture",
                           "cuGraphInstantiateWithFlags", "cuGraphLaunch"}) {
    const check::Case which(call);
    emulated_driver().fail(call, 1, cuda::kCuCaptureInvalidated);
    check_says(backend->run_recorded(kKey, [&] { return doubled.run(); }), "ERR_CUDA",
               {"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"});
    backend->forget_recorded(kKey.program);
    for (int i = 0; i < 3; ++i) doubled.check_rows({4, 3, i, 1});
    backend->forget_recorded(kKey.program);
    doubled.check_rows({4, 3, 2, 1});
  }
}

TEST("a workspace that grew drops recordings made before it moved") {
  GpuParts gpu;
  std::mutex gate;
  cuda::Graphs graphs(*gpu.launcher, gate);
  size_t bytes = 1000;
  int num_runs = 0;
  void* workspace = nullptr;
  const auto ops = [&] {
    num_runs++;
    Status status = gpu.launcher->workspace(cuda::Workspace::kMatmul, bytes, &workspace);
    if (!status.is_ok()) return status;
    const auto to = reinterpret_cast<cuda::CuDevicePointer>(workspace);
    const cuda::Driver& driver = gpu.context->driver();
    return gpu.context->check(driver.memset_d8_async(to, u8(num_runs), 100, gpu.stream->handle()),
                              "cuMemsetD8Async");
  };
  for (int i = 0; i < 4; ++i) check_ok(graphs.run(kKey, ops));
  CHECK_EQUAL(num_runs, 2);
  void* const before = workspace;
  bytes = 5000;
  check_ok(graphs.run({2, 4, false}, ops));  // another key's first run makes it grow
  CHECK(workspace != before);
  CHECK_EQUAL(reinterpret_cast<size_t>(workspace) % 256, size_t(0));
  for (int i = 0; i < 4; ++i) check_ok(graphs.run(kKey, ops));
  CHECK_EQUAL(num_runs, 5);
  check_ok(gpu.stream->synchronize());
}

TEST(
    "a workspace starts as zeros, keeps what is left in it, and is refused while it would have to "
    "grow "
    "in a capture") {
  GpuParts gpu;
  std::mutex gate;
  cuda::Graphs graphs(*gpu.launcher, gate);
  cuda::Staging staging(*gpu.context, *gpu.stream);
  check_ok(staging.open());
  void *data = nullptr, *again = nullptr, *other = nullptr;
  check_ok(gpu.launcher->workspace(cuda::Workspace::kSample, 300, &data));
  std::vector<u8> bytes(300, 9);
  check_ok(staging.download(bytes.data(), data, 300));
  CHECK(bytes == std::vector<u8>(300, 0));
  check_ok(staging.upload(data, "left", 4));
  check_ok(gpu.launcher->workspace(cuda::Workspace::kMatmul, 300, &other));
  check_ok(gpu.launcher->workspace(cuda::Workspace::kSample, 200, &again));
  CHECK(again == data && other != data);
  check_ok(staging.download(bytes.data(), data, 4));
  CHECK_EQUAL(std::string(bytes.begin(), bytes.begin() + 4), "left");

  size_t asked = 100;
  const auto ops = [&] { return gpu.launcher->workspace(cuda::Workspace::kSample, asked, &data); };
  check_ok(graphs.run(kKey, ops));
  asked = 100000;
  check_says(graphs.run(kKey, ops), "ERR_CUDA", {"100000", "while launches are recorded"});
}

TEST("steps with few rows have buckets that hold them; larger ones are not recorded") {
  const std::unique_ptr<Backend> backend = open_gpu();
  i32 last = 0;
  for (i32 rows = 1; rows <= 256; ++rows) {
    const i32 bucket = backend->recorded_rows(rows);
    CHECK(bucket >= rows && bucket >= last && backend->recorded_rows(bucket) == bucket);
    CHECK(rows <= 4 || bucket < 2 * rows);
    last = bucket;
  }
  CHECK_EQUAL(backend->recorded_rows(0), 0);
  CHECK_EQUAL(backend->recorded_rows(257), 0);
}

TEST("transfers go on while steps are captured") {
  const std::unique_ptr<Backend> backend = open_gpu();
  const Delays delays(50);
  DoubledRows doubled(*backend);
  DeviceBytes blocks(*backend, 64 * 4096);
  u8* const host = static_cast<u8*>(backend->allocate_host(64 * 4096));
  std::atomic<bool> is_over{false};
  Status transferred;
  std::thread transfers([&] {
    const std::atomic<bool> cancelled{false};
    const i32 pairs[] = {3, 1, 5, 2, 6, 3};
    while (!is_over.load() && transferred.is_ok()) {
      transferred =
          backend->transfer_blocks({blocks.as<u8>(), 4096, host, pairs, 3, true, &cancelled});
    }
  });
  for (u64 program = 0; program < 60; ++program) {
    for (int i = 0; i < 3; ++i) doubled.check_rows({i, 2, 3, 4}, {program, 4, false});
  }
  is_over.store(true);
  transfers.join();
  check_ok(transferred);
  backend->free_host(host, 64 * 4096);
}
