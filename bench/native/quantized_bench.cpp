// matmul over int8 and int4 weights beside bf16 ones of the same shape, by turns in one run.
//
//   quantized_bench [isa]     default: the best of this machine. THREADS (environment) as cpu_bench
//
// BENCH_CPU_TIME (environment) measures processor time of this process, for a busy machine; use it
// with THREADS=1. A line per shape and rows: the median of the rounds of each dtype, in GOP/s of products and GB/s
// of packed weights, and how many times faster than bf16 it was (median of the rounds' ratios).

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "../../addon/backend.h"

namespace {

constexpr int kRounds = 7;
constexpr double kSecondsPerRun = 0.02;
constexpr std::array<DType, 3> kDTypes = {kBF16, kInt8, kInt4};
constexpr std::array<const char*, 3> kNames = {"bf16", "int8", "int4"};

double now_seconds() {
  static const clockid_t clock =
      std::getenv("BENCH_CPU_TIME") != nullptr ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
  timespec now = {};
  clock_gettime(clock, &now);
  return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

double median_of(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + i64(values.size() / 2), values.end());
  return values[values.size() / 2];
}

struct Shape {
  i32 num_rows, in_dim, out_dim;
};

// One product of one dtype, with memory of its own.
class Product {
 public:
  Product(Backend& backend, DType dtype, Shape shape) : backend_(backend) {
    const size_t inputs = size_t(shape.num_rows) * size_t(shape.in_dim);
    weight_bytes_ = backend.packed_bytes(dtype, shape.out_dim, shape.in_dim);
    weight_ = backend.allocate(weight_bytes_, true);
    backend.fill(weight_, 0x38, weight_bytes_);  // 0x3838 is an ordinary number in every type
    x_.assign(inputs * (dtype == kBF16 ? 2 : 4), 0x38);
    out_.resize(size_t(shape.num_rows) * size_t(shape.out_dim));
    params_ = {out_.data(), x_.data(),      {weight_, shape.out_dim, shape.in_dim, dtype},
               nullptr,     shape.num_rows, kF32};
    run();
  }
  ~Product() { backend_.free(weight_, weight_bytes_); }
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;

  void run() { backend_.matmul(params_); }
  size_t weight_bytes() const { return weight_bytes_; }

  // Seconds of one product, over as many as take kSecondsPerRun.
  double time() {
    const double start = now_seconds();
    int num_runs = 0;
    do {
      run();
      num_runs++;
    } while (now_seconds() - start < kSecondsPerRun);
    return (now_seconds() - start) / num_runs;
  }

 private:
  Backend& backend_;
  void* weight_;
  size_t weight_bytes_;
  std::vector<u8> x_;
  std::vector<f32> out_;
  MatmulParams params_;
};

void compare(Backend& backend, Shape shape) {
  std::array<std::vector<double>, 3> seconds, ratios;
  std::array<size_t, 3> bytes = {};
  for (size_t d = 0; d < kDTypes.size(); d++) {
    bytes[d] = backend.packed_bytes(kDTypes[d], shape.out_dim, shape.in_dim);
  }
  Product bf16(backend, kBF16, shape), int8(backend, kInt8, shape), int4(backend, kInt4, shape);
  Product* const products[] = {&bf16, &int8, &int4};
  for (int round = 0; round < kRounds; round++) {
    for (size_t d = 0; d < kDTypes.size(); d++) {
      seconds[d].push_back(products[d]->time());
      ratios[d].push_back(seconds[0].back() / seconds[d].back());
    }
  }
  const double products_each = 2.0 * shape.num_rows * double(shape.in_dim) * shape.out_dim;
  std::printf("%4d rows %5d -> %6d ", shape.num_rows, shape.in_dim, shape.out_dim);
  for (size_t d = 0; d < kDTypes.size(); d++) {
    const double middle = median_of(seconds[d]);
    std::printf(" | %s %7.1f GOP/s %6.1f GB/s %5.2fx", kNames[d], products_each / middle / 1e9,
                double(bytes[d]) / middle / 1e9, median_of(ratios[d]));
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const char* threads = std::getenv("THREADS");
  Status status;
  const std::unique_ptr<Backend> backend = open_cpu_backend(
      argc > 1 ? argv[1] : "auto", threads != nullptr ? std::atoi(threads) : 0, &status);
  if (backend == nullptr) {
    std::fprintf(stderr, "%s: %s\n", status.code(), status.message().c_str());
    return 1;
  }
  const BackendInfo info = backend->info();
  std::printf("%s, %d threads, %s\n", info.isa.c_str(), info.threads, info.name.c_str());
  for (const i32 num_rows : {1, 4, 8, 64, 512}) compare(*backend, {num_rows, 1024, 5632});
  for (const i32 num_rows : {1, 512}) compare(*backend, {num_rows, 8192, 2048});
  for (const i32 num_rows : {1, 4, 8})
    compare(*backend, {num_rows, 1024, 128256});  // past every cache
  return 0;
}
