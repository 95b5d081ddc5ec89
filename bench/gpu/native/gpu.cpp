#include "gpu.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "../../../cuda/measure_params.h"

namespace bench {
namespace {

std::unique_ptr<cuda::Context> open_context() {
  std::vector<std::string> tries;
  std::shared_ptr<const cuda::Driver> driver = cuda::open_driver(&tries);
  Status status;
  std::unique_ptr<cuda::Context> context;
  if (driver != nullptr) context = cuda::Context::open(std::move(driver), 0, &tries, &status);
  if (context == nullptr) {
    std::string text = "no GPU:";
    for (const std::string& line : tries) text += "\n  " + line;
    stop(text);
  }
  require(context->enter());
  return context;
}

std::unique_ptr<cuda::KernelImage> open_image(cuda::Context& context,
                                              const std::vector<std::string>& folders) {
  cuda::PayloadSearch search =
      cuda::find_images(folders, context.capability(), context.driver().version);
  Status status;
  std::unique_ptr<cuda::KernelImage> image =
      cuda::KernelImage::load(context, search.images, &search.tries, &status);
  if (image == nullptr) {
    std::string text = "no kernels for " + context.name() + ":";
    for (const std::string& line : search.tries) text += "\n  " + line;
    stop(text);
  }
  return image;
}

const char* fill_kernel(DType dtype) {
  if (dtype == kF32) return "fill_random_f32";
  return dtype == kF16 ? "fill_random_f16" : "fill_random_bf16";
}

}  // namespace

void stop(const std::string& message) {
  std::fprintf(stderr, "gpu_bench: %s\n", message.c_str());
  std::exit(1);
}

void require(const Status& status) {
  if (!status.is_ok()) stop(std::string(status.code()) + ": " + status.message());
}

Gpu::Gpu(const std::vector<std::string>& payload_folders)
    : context_(open_context()),
      image_(open_image(*context_, payload_folders)),
      stream_(*context_),
      memory_(*context_, stream_, 0),
      staging_(*context_, stream_) {
  require(stream_.open());
  require(staging_.open());
  fast_ = std::make_unique<cuda::StreamLauncher>(*context_, *image_, stream_, &memory_, false);
  deterministic_ =
      std::make_unique<cuda::StreamLauncher>(*context_, *image_, stream_, &memory_, true);
}

void* Gpu::allocate(size_t bytes) {
  void* data = nullptr;
  require(memory_.allocate(std::max<size_t>(bytes, 1), &data));
  return data;
}

void Gpu::release(void* data, size_t bytes) { memory_.free(data, std::max<size_t>(bytes, 1)); }

void Gpu::fill_random(void* data, DType dtype, i64 count, f32 scale, u64 seed) {
  cuda::Grid grid;
  grid.x = static_cast<u32>(std::max(1, context_->gpu().num_sms * 8));
  grid.threads = 256;
  require(launcher().launch(fill_kernel(dtype), grid, FillRandomParams{data, count, seed, scale}));
}

void Gpu::upload(void* destination, const void* host, size_t bytes) {
  if (bytes > 0) require(staging_.upload(destination, host, bytes));
}

void Gpu::download(void* host, const void* source, size_t bytes) {
  if (bytes > 0) require(staging_.download(host, source, bytes));
}

Scope::~Scope() {
  for (const Piece& piece : pieces_) gpu_.release(piece.data, piece.bytes);
}

void* Scope::allocate(size_t bytes) {
  pieces_.push_back({gpu_.allocate(bytes), bytes});
  return pieces_.back().data;
}

int num_sets(const Gpu& gpu, i64 bytes_of_set) {
  const i64 l2_bytes = const_cast<Gpu&>(gpu).context().gpu().l2_bytes;
  const i64 sets = (3 * l2_bytes + bytes_of_set - 1) / std::max<i64>(1, bytes_of_set);
  return static_cast<int>(std::clamp<i64>(sets, 1, 64));
}

}  // namespace bench
