#include "backends.h"

#include "../../addon/cpu/cpu_features.h"

const std::vector<OpenBackend>& all_backends() {
  static const std::vector<OpenBackend> all = [] {
    std::vector<OpenBackend> opened;
    for (const std::string& isa : cpu::available_isas()) {
      for (const int threads : {1, 2, 3}) {
        Status status;
        opened.push_back(
            {check::text(isa, ", ", threads, " threads"), open_cpu_backend(isa, threads, &status)});
        check_ok(status);
      }
    }
    return opened;
  }();
  return all;
}

Backend& best_backend() { return *all_backends()[all_backends().size() - 2].backend; }

void check_ok(const Status& status) {
  if (status.is_ok()) return;
  check::fail(__FILE__, __LINE__, check::text(status.code(), ": ", status.message()));
}

TestWeight::TestWeight(Backend& backend, DType dtype, i32 in_dim,
                       const std::vector<WeightPart>& parts)
    : backend_(backend) {
  i32 out_dim = 0;
  for (const WeightPart& part : parts) out_dim += part.out_dim;
  bytes_ = backend.packed_bytes(dtype, out_dim, in_dim);
  void* data = backend.allocate(bytes_, false);
  check_ok(backend.fill(data, 0xff, bytes_));  // packing writes all of it, padding too
  check_ok(backend.pack_weight(data, dtype, in_dim, parts.data(), int(parts.size())));
  view_ = {data, out_dim, in_dim, dtype};
}

TestWeight::~TestWeight() { backend_.free(const_cast<void*>(view_.data), bytes_); }
