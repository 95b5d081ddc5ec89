#include "cublaslt.h"

#include <dlfcn.h>

#include <cstdint>
#include <cstdlib>

#include "../../cuda/matmul_params.h"

namespace cuda {
namespace {

constexpr u32 kAlignmentBytes = 16;
// Prefill comes with any number of rows; past this many shapes the choices are made anew.
constexpr size_t kMaxShapes = 1024;

bool is_set(const char* value) { return value != nullptr && value[0] != '\0'; }

bool is_aligned(const void* data) {
  return reinterpret_cast<uintptr_t>(data) % kAlignmentBytes == 0;
}

i32 lt_type(DType dtype) { return dtype == kF32 ? kLtF32 : dtype == kF16 ? kLtF16 : kLtBF16; }

// What the library is asked for at all. A bias has the type of the output there, and is f32 here.
bool is_candidate(const MatmulParams& params) {
  return params.weight.in_dim % 8 == 0 && is_aligned(params.x) && is_aligned(params.weight.data) &&
         is_aligned(params.out) && is_aligned(params.bias) &&
         (params.bias == nullptr || params.out_dtype == kF32);
}

// Sets every function; gives the name of the first one that is missing, or null.
const char* resolve(void* library, LtFunctions& functions) {
#define PA_RESOLVE(member, exported, Result, params)                                          \
  functions.member = reinterpret_cast<decltype(functions.member)>(dlsym(library, #exported)); \
  if (functions.member == nullptr) return #exported;
  PA_CUBLASLT_FUNCTIONS(PA_RESOLVE)
#undef PA_RESOLVE
  return nullptr;
}

std::string version_text(size_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

// The library stays loaded, as the driver does. Gives what keeps it from being used, or nothing.
// @param name  path and version
std::string start(const std::string& path, LtFunctions& functions, LtHandle& handle,
                  std::string& name) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const error = dlerror();
    return error != nullptr ? error : "cannot be opened";
  }
  if (const char* missing = resolve(library, functions)) {
    return std::string("has no ") + missing;
  }
  name = path;
  name.append(" ").append(version_text(functions.get_version()));
  const LtStatus status = functions.create(&handle);
  if (status == kLtSuccess) return "";
  return "cublasLtCreate failed with status " + std::to_string(status);
}

}  // namespace

// How one shape is multiplied: the descriptors, and the algorithm that the library's heuristic
// chose, or that there is none.
//
// The library's matrices are column-major. Read so, the row-major weight [out_dim, in_dim] is its
// transpose, x is x^T and out is out^T:  out^T = (weight^T)^T . x^T.
class Cublaslt::Product {
 public:
  Product(const LtFunctions& functions, LtHandle handle, const MatmulParams& params)
      : functions_(functions) {
    is_usable_ = describe(params) && choose(handle);
  }
  ~Product() {
    if (operation_ != nullptr) functions_.operation_destroy(operation_);
    for (const LtLayout layout : {weight_, x_, out_}) {
      if (layout != nullptr) functions_.layout_destroy(layout);
    }
  }
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;

  bool queue(LtHandle handle, const MatmulParams& params, void* workspace, void* stream) {
    if (!is_usable_) return false;
    if (params.bias != nullptr && !set(kLtBiasPointer, params.bias)) return false;
    const f32 one = 1.0f;
    const f32 zero = 0.0f;
    return functions_.matmul(handle, operation_, &one, params.weight.data, weight_, params.x, x_,
                             &zero, params.out, out_, params.out, out_, &algorithm_, workspace,
                             kWorkspaceBytes, stream) == kLtSuccess;
  }

 private:
  template <class Value>
  bool set(LtOperationAttribute attribute, const Value& value) {
    return functions_.operation_set(operation_, attribute, static_cast<const void*>(&value),
                                    sizeof value) == kLtSuccess;
  }

  bool describe(const MatmulParams& params) {
    const PackedWeight& weight = params.weight;
    const u64 rows = u64(params.num_rows), in_dim = u64(weight.in_dim), outs = u64(weight.out_dim);
    const i32 type = lt_type(weight.dtype), out_type = lt_type(params.out_dtype);
    const auto layout = [&](LtLayout& made, i32 dtype, u64 height, u64 width, i64 pitch) {
      return functions_.layout_create(&made, dtype, height, width, pitch) == kLtSuccess;
    };
    if (!layout(weight_, type, in_dim, outs, matmul_weight_pitch(weight.in_dim)) ||
        !layout(x_, type, in_dim, rows, weight.in_dim) ||
        !layout(out_, out_type, outs, rows, weight.out_dim) ||
        functions_.operation_create(&operation_, kLtComputeF32, kLtF32) != kLtSuccess) {
      return false;
    }
    if (!set(kLtTransA, kLtTransposed)) return false;
    if (params.bias == nullptr) return true;
    return set(kLtEpilogue, kLtAddBias) && set(kLtBiasPointer, params.bias);
  }

  bool choose(LtHandle handle) {
    LtPreference preference = nullptr;
    if (functions_.preference_create(&preference) != kLtSuccess) return false;
    const u64 workspace_bytes = kWorkspaceBytes;
    bool is_set = functions_.preference_set(preference, kLtMaxWorkspaceBytes, &workspace_bytes,
                                            sizeof workspace_bytes) == kLtSuccess;
    for (const LtPreferenceAttribute attribute :
         {kLtMinAlignmentA, kLtMinAlignmentB, kLtMinAlignmentC, kLtMinAlignmentD}) {
      is_set = is_set && functions_.preference_set(preference, attribute, &kAlignmentBytes,
                                                   sizeof kAlignmentBytes) == kLtSuccess;
    }
    LtHeuristic best = {};
    i32 num_found = 0;
    const bool is_found =
        is_set &&
        functions_.get_heuristic(handle, operation_, weight_, x_, out_, out_, preference, 1, &best,
                                 &num_found) == kLtSuccess &&
        num_found == 1 && best.status == kLtSuccess;
    functions_.preference_destroy(preference);
    algorithm_ = best.algorithm;
    return is_found;
  }

  const LtFunctions& functions_;
  LtOperation operation_ = nullptr;
  LtLayout weight_ = nullptr;
  LtLayout x_ = nullptr;
  LtLayout out_ = nullptr;
  LtAlgorithm algorithm_ = {};
  bool is_usable_ = false;
};

std::unique_ptr<Cublaslt> Cublaslt::open(std::vector<std::string>* tries) {
  const char* const given = std::getenv("PAGED_ATTENTION_CUBLASLT");
  std::vector<std::string> paths = {"libcublasLt.so.13", "libcublasLt.so.12"};
  if (is_set(given)) {
    paths = {given};
  } else if (is_set(std::getenv("PAGED_ATTENTION_LIBCUDA"))) {
    // The library would look for the machine's own driver, beside the one that is in use.
    tries->push_back("cuBLASLt: not looked for, as PAGED_ATTENTION_LIBCUDA is set");
    return nullptr;
  }
  for (const std::string& path : paths) {
    LtFunctions functions;
    LtHandle handle = nullptr;
    std::string name;
    const std::string problem = start(path, functions, handle, name);
    tries->push_back(path + ": " + (problem.empty() ? "cuBLASLt" : problem));
    if (!problem.empty()) continue;
    return std::unique_ptr<Cublaslt>(new Cublaslt(functions, handle, std::move(name)));
  }
  return nullptr;
}

Cublaslt::Cublaslt(const LtFunctions& functions, LtHandle handle, std::string name)
    : functions_(functions), handle_(handle), name_(std::move(name)) {}

Cublaslt::~Cublaslt() {
  products_.clear();
  functions_.destroy(handle_);
}

Cublaslt::Product& Cublaslt::product_for(const MatmulParams& params) {
  const Shape shape = {params.num_rows,     params.weight.out_dim, params.weight.in_dim,
                       params.weight.dtype, params.out_dtype,      params.bias != nullptr};
  const auto found = products_.find(shape);
  if (found != products_.end()) return *found->second;
  if (products_.size() >= kMaxShapes) products_.clear();
  return *(products_[shape] = std::make_unique<Product>(functions_, handle_, params));
}

bool Cublaslt::matmul(const MatmulParams& params, void* workspace, void* stream) {
  return is_candidate(params) && product_for(params).queue(handle_, params, workspace, stream);
}

}  // namespace cuda
